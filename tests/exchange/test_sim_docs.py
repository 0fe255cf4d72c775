"""The page on the simulated exchange says what is so: its examples work, its lists are whole."""

from __future__ import annotations

import asyncio
import re
import shlex
import tomllib
from pathlib import Path
from typing import get_args

from desk import Desk, desk_of
from sim_world import KEY, Client, new_sim

from riposte.exchange.control.routes import Control
from riposte.exchange.faults.actions import REQUEST_KINDS
from riposte.exchange.faults.kinds import KINDS
from riposte.exchange.faults.script import read
from riposte.exchange.streams.faulty import StreamFault
from riposte.exchange.switches import Switches

PAGE = (Path(__file__).parents[2] / "docs" / "simulated-exchange.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_script_can_be_read() -> None:
    [text] = blocks("toml")
    script = read(tomllib.loads(text), 0)
    assert (len(script.rules), len(script.acts), script.seed) == (2, 1, 7)


def test_all_kinds_switches_and_routes_are_listed() -> None:
    for kind in (*REQUEST_KINDS, *KINDS, *get_args(StreamFault), *Switches.__dataclass_fields__):
        assert f"`{kind}`" in PAGE, kind
    for route in Control(new_sim()).routes()[:-1]:
        assert route.path.replace("{row}", "F01") in PAGE, route.path


def test_the_commands_work() -> None:
    lines = [line for text in blocks("console") for line in text.splitlines() if "curl" in line]
    assert len(lines) == 4

    async def run() -> None:
        async with desk_of(new_sim(deposit=2_000)) as (desk, client):
            await client.order("BUY", "0.5")
            for line in lines:
                await do(desk, client, line)

    asyncio.run(run())


async def do(desk: Desk, client: Client, line: str) -> None:
    words = shlex.split(line.replace("name=main", "name=alice"))
    url = client.url + words[2].removeprefix("localhost:9777")
    if "-d" not in words:
        await desk.get(url.split("/sim/v1")[1])
        return
    name, value = words[words.index("-H") + 1].split(": ")
    async with client.session.post(
        url, data=words[words.index("-d") + 1], headers={name: value, "X-MBX-APIKEY": KEY}
    ) as answer:
        assert answer.status == 200, await answer.text()
