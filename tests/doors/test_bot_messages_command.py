"""`rag keys add --bot` and `rag bot messages`, as an administrator types them."""

from __future__ import annotations

from tests.doors.conftest import Line


def test_a_bot_gets_a_key_for_its_platform_and_nothing_else(fresh: Line) -> None:
    made = fresh.json("keys", "add", "--bot", "matrix", "Chat")
    assert (made["user"], made["scopes"], made["channel"]) == ("service:Chat", ["bot"], "self_hosted_chat")
    assert fresh.json("keys", "add", "--bot", "teams", "Wolke")["channel"] == "cloud_chat"
    told = fresh.run("keys", "add", "--bot", "slack", "Chat").stderr
    assert "speaks for whoever asks the slack bot" in told
    for wrong in (("--user", "anna"), ("--scope", "ask"), ("--source", "x"), ("--channel", "cloud_chat")):
        refused = fresh.run("keys", "add", "--bot", "slack", "Chat", *wrong)
        assert refused.returncode == 2 and "bot" in refused.stderr, wrong


def test_the_messages_of_bots_are_listed_and_none_is_no_error(fresh: Line) -> None:
    told = fresh.run("bot", "messages")
    assert (told.returncode, told.stdout.strip()) == (0, "There are none.")
    assert fresh.json("bot", "messages")["messages"] == []
    assert fresh.run("bot", "messages", "--gone").returncode == 4
    assert fresh.run("bot", "messages", "--remove").returncode == 2
