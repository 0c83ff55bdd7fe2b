"""The state values whose bytes are kept in state-v1.json: one of each kind, every field in use.

`python -m tests.contract.golden.state_values` prints the bytes of values that the file lacks.
"""

import json
from pathlib import Path

from state.accounts import (
    HOLD_SETTLED,
    SUSPENDED,
    Account,
    Answered,
    Hold,
    OpenHold,
    OwnLimit,
    ProviderState,
)
from state.codec import encode
from state.limits import Mark, Meter
from state.quotas import Quota

PATH = Path(__file__).parent / "state-v1.json"

_LEAKY = Meter(
    kind="leaky-bucket",
    level=650_001,
    updated_ms=1_728_000_012_345,
    capacity_milli=1_000_000,
    period_ms=1000,
    remainder=999,
    drained=3_456_789_012,
    drained_remainder=333,
    generation=2,
)
_WINDOW = Meter(
    kind="fixed-window",
    level=7000,
    updated_ms=1_728_000_012_345,
    capacity_milli=60_000,
    period_ms=60_000,
    window_start_ms=1_728_000_000_000,
)
_QUOTA = Quota(
    window_start_ms=1_728_000_000_001,
    window_end_ms=1_728_086_400_001,
    allowance=100_000,
    spent=40_000,
    held=1000,
    held_past=50,
    purchased=500_000,
    revoked=1,
    purchased_spent=10,
    purchased_held=9,
    debt=0,
    charged=120_010,
    granted=200_000,
    lapsed=19_950,
)

VALUES: dict[str, Account | Hold | Answered] = {
    "account-new": Account(),
    "account-full": Account(
        tier="PRO",
        status=SUSPENDED,
        updated_ms=1_728_000_012_345,
        head=bytes(range(32)),
        providers={
            "qwen": ProviderState(_QUOTA, {"tokens": _LEAKY, "per-minute": _WINDOW}),
            "openai": ProviderState(),
        },
        own_limits={
            "qwen": (OwnLimit("tokens", "token-bucket", "tokens", 5_000_000, 10_000, 1000),)
        },
        open_holds=[
            OpenHold(1_728_000_060_000, 17, 0, "qwen", 800),
            OpenHold(1_728_000_061_000, 2**40, 3, "openai", 200),
        ],
        wakeups=[172_800_006],
        lasting_answers=True,
    ),
    "hold-open": Hold(
        provider="qwen",
        tokens=800,
        deadline_ms=1_728_000_060_000,
        command_id="reserve-1",
        of_allowance=600,
        of_purchased=200,
        window_start_ms=1_728_000_000_001,
        marks={"tokens": Mark(800_000, 2, 3_456_789_012, 0)},
    ),
    "hold-settled": Hold(
        provider="qwen",
        tokens=800,
        deadline_ms=1_728_000_060_000,
        command_id="reserve-1",
        of_allowance=0,
        of_purchased=800,
        window_start_ms=None,
        marks={"per-minute": Mark(1000, 0, 0, 1_728_000_000_000)},
        state=HOLD_SETTLED,
        settled_tokens=912,
        remembered_until_ms=1_728_086_460_000,
    ),
    "answered-for-a-while": Answered(
        payload_digest=bytes(range(32)),
        event=b'{"type":"reserved","version":1}',
        repeatable_until_ms=1_728_000_612_345,
        hold=(17, 0),
    ),
    "answered-for-ever": Answered(bytes(32), b'{"type":"tier-set","version":1}', None),
}


def lacking() -> dict[str, str]:
    """The bytes, in hexadecimal, of values that the file does not have yet."""
    kept = json.loads(PATH.read_text()) if PATH.exists() else {}
    return {
        name: encode(name.encode(), value).hex()
        for name, value in VALUES.items()
        if name not in kept
    }


if __name__ == "__main__":
    print(json.dumps(lacking(), indent=2))
