"""The acts by the names that scripts and the control API use."""

from __future__ import annotations

from typing import Any

from riposte.exchange.faults.deeds import (
    Ban,
    ChangeContract,
    ChangeKey,
    ChangeLimits,
    ClosePosition,
    Deleverage,
    Disconnect,
    DrainInsurance,
    EndAlgos,
    EndOrders,
    ExpireListenKey,
    FillOrders,
    HoldFeed,
    JumpClock,
    JumpPrice,
    Liquidate,
    Maintenance,
    PlaceOrder,
    Restrict,
    RevokeKey,
    Say,
    SetFunding,
    SetLeverage,
    SetMarginType,
    SetPositionMode,
    Skew,
    Squeeze,
    Switch,
    ThinBook,
    Transfer,
)

KINDS: dict[str, type[Any]] = {
    "skew": Skew,
    "jump-clock": JumpClock,
    "maintenance": Maintenance,
    "ban": Ban,
    "limits": ChangeLimits,
    "switch": Switch,
    "drain-insurance": DrainInsurance,
    "revoke-key": RevokeKey,
    "change-key": ChangeKey,
    "restrict": Restrict,
    "transfer": Transfer,
    "liquidate": Liquidate,
    "deleverage": Deleverage,
    "end-algos": EndAlgos,
    "end-orders": EndOrders,
    "fill-orders": FillOrders,
    "place-order": PlaceOrder,
    "close-position": ClosePosition,
    "set-leverage": SetLeverage,
    "set-margin-type": SetMarginType,
    "set-position-mode": SetPositionMode,
    "change-contract": ChangeContract,
    "funding": SetFunding,
    "jump-price": JumpPrice,
    "squeeze": Squeeze,
    "thin-book": ThinBook,
    "hold-feed": HoldFeed,
    "expire-listen-key": ExpireListenKey,
    "disconnect": Disconnect,
    "say": Say,
}
"""By the name that scripts and the control API use."""

Act = Any
"""One of the records above."""
KIND_OF = {cls: kind for kind, cls in KINDS.items()}
