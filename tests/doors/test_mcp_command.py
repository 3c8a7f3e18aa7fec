"""`rag mcp` with the official client: alone with the home, and beside a process that owns it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import mcp

from tests import loops
from tests.doors.conftest import QUESTION, TRUE, Line, owner, papers

T = TypeVar("T")


def within(line: Line, do: Callable[[mcp.Client], Awaitable[T]], *options: str) -> T:
    program, *arguments = line.command("mcp", *options)
    started = mcp.StdioServerParameters(command=program, args=arguments, env=line.environ, cwd=line.folder)

    async def run() -> T:
        async with mcp.Client(started, read_timeout_seconds=120) as client:
            return await do(client)

    return loops.run(run())


async def every_tool(client: mcp.Client) -> None:
    assert [tool.name for tool in (await client.list_tools()).tools] == ["search", "ask", "get_document"]
    found = (await client.call_tool("search", {"query": QUESTION, "k": 1})).structured_content
    assert TRUE in found["passages"][0]["text"]
    answer = (await client.call_tool("ask", {"question": QUESTION})).structured_content
    (proof,) = answer["citations"]
    assert (answer["outcome"], proof["quote"]) == ("answered", TRUE)
    start, end = proof["span"]
    read = await client.call_tool("get_document", {"key": proof["key"], "start": start, "max_chars": end - start})
    assert read.structured_content["text"] == TRUE
    for key in ("papers:nichts.txt", "papers:geheim.txt"):
        missing = await client.call_tool("get_document", {"key": key})
        assert missing.is_error
        assert missing.content[0].text.startswith("There is no document of this key.")  # type: ignore[union-attr]
    unknown = await client.call_tool("search", {"query": "x", "sources": ["nirgends"]})
    assert unknown.is_error
    assert "nirgends" in unknown.content[0].text  # type: ignore[union-attr]


def test_the_tools_answer_over_stdin_and_stdout_whoever_owns_the_home(fresh: Line) -> None:
    papers(fresh.folder / "papers")
    assert fresh.run("ingest", fresh.folder / "papers").returncode == 3
    within(fresh, every_tool)
    with owner(fresh):
        within(fresh, every_tool)


def test_another_reader_is_asked_for_as_in_the_other_commands_and_recorded(fresh: Line) -> None:
    papers(fresh.folder / "papers")
    fresh.run("ingest", fresh.folder / "papers")
    within(fresh, lambda client: client.call_tool("search", {"query": QUESTION}), "--as", "anna")
    records = fresh.json("audit", "show", "--user", "anna")["records"]
    assert any("local" in str(record) for record in records)


def test_other_commands_are_answered_while_a_program_holds_it_open(fresh: Line) -> None:
    papers(fresh.folder / "papers")
    fresh.run("ingest", fresh.folder / "papers")

    async def beside(client: mcp.Client) -> int:
        await client.call_tool("search", {"query": QUESTION})
        done = await asyncio.to_thread(fresh.run, "search", QUESTION)
        return done.returncode

    assert within(fresh, beside) == 0
