"""The official Python SDK: what channels are by their shape, what they carry, and what a client is held to."""

import asyncio
import contextlib

import centrifuge
import kit
from application import Events, code_of


def test_finds_namespaces_by_the_shape_of_channels(play):
    async def story(app):
        client = await app.user("42")
        room, _ = await app.subscribed(client, "/rooms/1")
        assert (await room.events.next("join")).info.user == "42"
        await room.publish(app.pack("hello"))
        assert await app.values(room, 1) == ["hello"]
        assert await code_of(client.publish("/boxes/ann/1", app.pack([1]))) == 107
        await client.publish("/boxes/ann/1", app.pack({"in": "the box"}))
        kept = (await app.api("history", channel="/boxes/ann/1", limit=10))["publications"]
        assert [publication["data"] for publication in kept] == [{"in": "the box"}]
        for channel, code in (("/boxes/ann/1", 103), ("/rooms/1/2", 102), ("/nowhere", 102), ("feed.sport", 103),
                              ("$/rooms/2", 103)):
            assert await app.refused(client, channel) == code, channel
        await app.subscribed(await app.user("43"), "$/rooms/2", token=kit.token(sub="43", channel="$/rooms/2"))
        await app.subscribed(client, "feeds")

    play(story)


def test_carries_the_format_of_its_namespace(play):
    async def story(app):
        client = await app.user("42")
        text, _ = await app.subscribed(client, "text:a")
        raw, _ = await app.subscribed(client, "raw:a")
        for value in ([1, "x"], "y", None, {"z": 0}):
            for subscription in (text, raw):
                await subscription.publish(app.pack(value))
                publication = (await subscription.events.next("publication")).pub
                assert app.unpack(publication.data) == value
        for value, code in (([1], 107), ("x", 107)):
            assert await code_of(client.publish("objects:a", app.pack(value))) == code
        if app.is_protobuf:
            news, _ = await app.subscribed(client, "news")
            for subscription, data in ((text, b"{oops"), (text, b""), (news, b"")):
                assert await code_of(subscription.publish(data)) == 107
            for data in (b"\x00\xff", b""):
                await raw.publish(data)
                assert ((await raw.events.next("publication")).pub.data or b"") == data
        else:
            await app.api("publish", channel="raw:a", b64data="AP8=")  # there is no JSON for it
            assert await app.end_of(client) == (3506, "inappropriate protocol")

    play(story)


def test_is_in_one_page_of_presence(play):
    async def story(app):
        here, _ = await app.subscribed(await app.user("0"), "room")
        for name in "1234":
            await app.subscribed(await app.user(name), "room")
        everybody = {client: info.user for client, info in (await here.presence()).clients.items()}
        pages, cursor = [], {}
        while True:
            page = await app.api("presence", channel="room", limit=2, **cursor)
            pages.append({client: info["user"] for client, info in page["presence"].items()})
            if not page.get("cursor"):
                break
            cursor = {"cursor": page["cursor"]}
        assert all(len(page) <= 2 for page in pages)
        assert sum(map(len, pages)) == len(everybody) == 5
        assert {client: user for page in pages for client, user in page.items()} == everybody

    play(story)


def test_is_slowed_down_when_it_hurries(play):
    async def story(app):
        client, again = await app.user("42"), await app.user("42")
        subscriptions = [client.new_subscription(name, events=Events(), min_resubscribe_delay=0.02) for name in "abc"]
        await asyncio.gather(*(subscription.subscribe() for subscription in subscriptions))
        for subscription in subscriptions:  # the SDK tries again
            await subscription.events.next("subscribed")
        errors = [(await subscription.events.next("error")).error.code for subscription in subscriptions
                  if subscription.events.seen["error"]]
        assert set(errors) == {111}

        for number in range(2):
            await subscriptions[0].publish(app.pack(number))
        assert await code_of(subscriptions[0].publish(app.pack(2))) == 111
        assert await app.values(subscriptions[0], 2) == [0, 1]
        there = again.new_subscription("a", events=Events(), min_resubscribe_delay=0.02)
        await there.subscribe()
        await there.events.next("subscribed")
        for subscription in (subscriptions[0], there):
            await subscription.history(limit=1)
        assert await code_of(there.history(limit=1)) == 111  # all connections of the user together

    play(story)


def test_is_held_to_its_limits(play):
    async def story(app):
        client = await app.user("42")
        first, _ = await app.subscribed(client, "a")
        for name in "bc":
            await app.subscribed(client, name)
        assert await app.refused(client, "d") == 106
        await first.unsubscribe()
        await app.subscribed(client, "e")
        assert await app.gone(token=kit.token(sub="43", channels=list("abcd"))) == (3505, "channel limit")

        await app.user("42")
        assert await app.gone(token=kit.token(sub="42")) == (3504, "connection limit")
        await app.user("43")

        await client.publish("b", app.pack("x" * 1000))
        with contextlib.suppress(centrifuge.CentrifugeError):
            await client.publish("b", app.pack("x" * 3000))
        lost = await client.events.next("connecting")
        assert lost.code == 3  # what the SDK calls the end of a connection for a message that is too long

    play(story)
