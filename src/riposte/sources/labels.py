"""What the time labels of the exchange's period statistics mean.

Open interest and long/short ratios come as one value per period. Until 2026-06-25 00:00 UTC a value
was labelled with the end of its period, from then on with its start, in the archive and over REST
alike (github.com/binance/binance-public-data, issue 491). A value is known at the end of its period
under either.
"""

from __future__ import annotations

import numpy as np

from riposte.market.frame import Times

LABELS_START_NS = int(np.datetime64("2026-06-25T00:00", "ns").astype(np.int64))


def period_end(label_ns: Times, period_ns: int) -> Times:
    """When each labelled period ended, ns UTC.

    The label of the change itself stood for two periods, the last under the old meaning and the first
    under the new: it is taken for the later, which cannot look ahead.
    """
    return np.where(label_ns >= LABELS_START_NS, label_ns + period_ns, label_ns)
