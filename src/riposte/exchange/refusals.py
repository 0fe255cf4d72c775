"""Every refusal of the exchange: its code, its words, its HTTP status.

The words are those of the exchange's error page and of recorded answers (collected with their
codes in ccxt's ``binance`` too). ``{…}`` is filled in from the refusal's fields.
"""

from __future__ import annotations

from typing import Any

TEXTS: dict[int, str] = {
    -1000: "An unknown error occurred while processing the request.",
    -1001: "Internal error; unable to process your request. Please try again.",
    -1002: "You are not authorized to execute this request.",
    -1003: "Too many requests; current limit of IP({ip}) is {limit} requests per minute. "
    "Please use the websocket for live updates to avoid polling the API.",
    -1006: "An unexpected response was received from the message bus. Execution status unknown.",
    -1007: "Timeout waiting for response from backend server. Send status unknown; "
    "execution status unknown.",
    -1008: "Request throttled by system-level protection. Reduce-only/close-position orders are "
    "exempt. Please try again.",
    -1013: "Invalid quantity.",
    -1015: "Too many new orders; current limit is {limit} orders per {interval}.",
    -1016: "This service is no longer available.",
    -1020: "This operation is not supported.",
    -1021: "Timestamp for this request is outside of the recvWindow.",
    -1022: "Signature for this request is not valid.",
    -1023: "Start time is greater than end time.",
    -1100: "Illegal characters found in parameter '{name}'; legal range is '{allowed}'.",
    -1101: "Too many parameters; expected '{expected}' and received '{received}'.",
    -1102: "Mandatory parameter '{name}' was not sent, was empty/null, or malformed.",
    -1103: "An unknown parameter was sent.",
    -1104: "Not all sent parameters were read; read '{read}' parameter(s) but was sent '{sent}'.",
    -1105: "Parameter '{name}' was empty.",
    -1106: "Parameter '{name}' sent when not required.",
    -1108: "Invalid asset.",
    -1109: "Invalid account.",
    -1111: "Precision is over the maximum defined for this asset.",
    -1112: "No orders on book for symbol.",
    -1114: "TimeInForce parameter sent when not required.",
    -1115: "Invalid timeInForce.",
    -1116: "Invalid orderType.",
    -1117: "Invalid side.",
    -1118: "New client order ID was empty.",
    -1119: "Original client order ID was empty.",
    -1120: "Invalid interval.",
    -1121: "Invalid symbol.",
    -1122: "Invalid symbol status.",
    -1125: "This listenKey does not exist.",
    -1127: "Lookup interval is too big; no more than {hours} hours between startTime and endTime.",
    -1128: "Combination of optional parameters invalid.",
    -1130: "Data sent for parameter '{name}' is not valid.",
    -1136: "Invalid newOrderRespType.",
    -2010: "NEW_ORDER_REJECTED",
    -2011: "Unknown order sent.",
    -2012: "Batch cancel failure.",
    -2013: "Order does not exist.",
    -2014: "API-key format invalid.",
    -2015: "Invalid API-key, IP, or permissions for action.",
    -2018: "Balance is insufficient.",
    -2019: "Margin is insufficient.",
    -2020: "Unable to fill.",
    -2021: "Order would immediately trigger.",
    -2022: "ReduceOnly Order is rejected.",
    -2023: "User in liquidation mode now.",
    -2024: "Position is not sufficient.",
    -2025: "Reach max open order limit.",
    -2026: "This OrderType is not supported when reduceOnly.",
    -2027: "Exceeded the maximum allowable position at current leverage.",
    -2028: "Leverage is smaller than permitted: insufficient margin balance.",
    -4001: "Price less than 0.",
    -4002: "Price greater than max price.",
    -4003: "Quantity less than or equal to zero.",
    -4004: "Quantity less than min quantity.",
    -4005: "Quantity greater than max quantity.",
    -4006: "Stop price less than or equal to zero.",
    -4007: "Stop price greater than max price.",
    -4013: "Price less than min price.",
    -4014: "Price not increased by tick size.",
    -4015: "Client order id length should be less than 36 chars.",
    -4016: "Limit price can't be higher than {limit}.",
    -4021: "Invalid depth limit: {limit}; allowed are 5, 10, 20, 50, 100, 500 and 1000.",
    -4023: "Quantity not increased by step size.",
    -4024: "Limit price can't be lower than {limit}.",
    -4028: "Leverage {leverage} is not valid.",
    -4029: "Tick size precision is invalid.",
    -4044: "Balance type is invalid.",
    -4045: "Reach max stop order limit.",
    -4046: "No need to change margin type.",
    -4047: "Margin type cannot be changed if there exists open orders.",
    -4048: "Margin type cannot be changed if there exists position.",
    -4049: "Add margin only support for isolated position.",
    -4050: "Cross balance insufficient.",
    -4051: "Isolated balance insufficient.",
    -4052: "No need to change auto add margin.",
    -4055: "Amount must be positive.",
    -4056: "INVALID_API_KEY_TYPE",
    -4059: "No need to change position side.",
    -4060: "Invalid position side.",
    -4061: "Order's position side does not match user's setting.",
    -4062: "Invalid or improper reduceOnly value.",
    -4067: "Position side cannot be changed if there exists open orders.",
    -4068: "Position side cannot be changed if there exists position.",
    -4082: "Invalid number of batch place orders.",
    -4084: "Method is not allowed currently. Upcoming soon.",
    -4087: "User can only place reduce only order.",
    -4088: "User can not place order currently.",
    -4104: "Invalid contract type.",
    -4105: "startTime or endTime is invalid.",
    -4109: "This account is inactive. Please transfer asset to activate.",
    -4111: "batchModifyOrders is invalid.",
    -4115: "clientTranId is duplicated.",
    -4116: "ClientOrderId is duplicated.",
    -4117: "stop order is in triggering.",
    -4118: "ReduceOnly Order Failed. Please check your existing position and open orders.",
    -4120: "Order type not supported for this endpoint. Please use the Algo Order API endpoints "
    "instead.",
    -4130: "An open stop or take profit order with GTE and closePosition in the direction is "
    "existing.",
    -4131: "The counterparty's best price does not meet the PERCENT_PRICE filter limit.",
    -4135: "Invalid activation price.",
    -4136: "Quantity must be zero with closePosition equals true.",
    -4137: "Quantity must be zero with closePosition equals true.",
    -4138: "Reduce only must be true with closePosition equals true.",
    -4139: "Order type can not be market if it's unable to cancel.",
    -4140: "Invalid symbol status for opening position.",
    -4141: "Symbol is closed.",
    -4142: "REJECT: take profit or stop order will be triggered immediately.",
    -4144: "Invalid pair.",
    -4161: "Leverage reduction is not supported in Isolated Margin Mode with open positions.",
    -4164: "Order's notional must be no smaller than {notional} (unless you choose reduce only).",
    -4165: "Invalid time interval.",
    -4168: "Unable to adjust to Multi-Assets mode with symbols of isolated-margin.",
    -4171: "No need to change Multi-Assets mode.",
    -4183: "Limit price can't be higher than {limit}.",
    -4184: "Limit price can't be lower than {limit}.",
    -4188: "Timestamp for this request is outside of the ME recvWindow.",
    -4192: "Trade forbidden due to Cooling-off Period.",
    -4400: "Futures Trading Quantitative Rules violated, only reduceOnly order is allowed, please "
    "try again later.",
    -5000: "Path {path}, Method {method} is invalid",
    -5021: "Due to the order could not be filled immediately, the FOK order has been rejected. "
    "The order will not be recorded in the order history.",
    -5022: "Due to the order could not be executed as maker, the Post Only order will be rejected. "
    "The order will not be recorded in the order history.",
    -5024: "Symbol is not in trading status. Order amendment is not permitted.",
    -5025: "Only limit order is supported.",
    -5026: "Exceed maximum modify order limit.",
    -5027: "No need to modify the order.",
    -5028: "Timestamp for this request is outside of the ME recvWindow.",
    -5037: "Invalid price match.",
    -5038: "Price match only supports order type: LIMIT, STOP AND TAKE_PROFIT.",
    -5039: "Invalid self trade prevention mode.",
    -5040: "The goodTillDate timestamp must be greater than the current time plus 600 seconds and "
    "smaller than 253402300799000.",
    -5041: "No depth matches this BBO order.",
    -5047: "Modification of reduce-only order is not allowed in this state.",
}

# Statuses of the few that are not 400 Bad Request.
STATUSES = {
    -1002: 401,
    -2014: 401,
    -2015: 401,
    -1003: 429,
    -1015: 429,
    -1000: 503,
    -1001: 503,
    -1008: 503,
    -1006: 503,
    -1007: 408,
    -1016: 503,
    -5000: 404,
}


class Refusal(Exception):  # noqa: N818 - it is an answer of the exchange, not a fault of ours
    """A request was not carried out; nothing has changed."""

    def __init__(self, code: int, *, status: int | None = None, **fields: Any) -> None:
        self.code = code
        self.text = TEXTS[code].format(**fields) if fields else TEXTS[code]
        self.status = status if status is not None else STATUSES.get(code, 400)
        super().__init__(f"{code}: {self.text}")

    @property
    def body(self) -> dict[str, Any]:
        """The answer on the wire."""
        return {"code": self.code, "msg": self.text}
