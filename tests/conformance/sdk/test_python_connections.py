"""The official Python SDK: connections: identity, refresh, what the server does to a connection, calls."""

import asyncio

import kit
from application import code_of


def test_connects_anonymously(play):
    async def story(app):
        client = await app.connected()
        assert len(client.client_id) == 36
        await client.disconnect()
        gone = await client.events.next("disconnected")
        assert (gone.code, gone.reason) == (0, "disconnect called")

    play(story)


def test_connects_with_a_token(play):
    async def story(app):
        asked = []

        async def fresh():
            asked.append(None)
            return kit.token(sub="42", info={"name": "Ada"})

        client = await app.connected(get_token=fresh)
        await app.subscribed(client, "room")
        info = {"user": "42", "client": client.client_id, "conn_info": {"name": "Ada"}}
        assert await app.api("presence", channel="room") == {"presence": {client.client_id: info}}
        assert len(asked) == 1

    play(story)


def test_is_refused_with_a_bad_token(play):
    async def story(app):
        client = app.client(token=kit.token(sub="42") + "x")
        await client.connect()
        gone = await client.events.next("disconnected")
        assert (gone.code, gone.reason, client.events.seen["connected"]) == (3500, "invalid token", 0)

    play(story)


def test_is_refused_without_credentials(play):
    async def story(app):
        client = app.client()
        await client.connect()
        gone = await client.events.next("disconnected")
        assert (gone.code, gone.reason) == (3501, "bad request")

    play(story)


def test_replaces_an_expired_token(play):
    async def story(app):
        asked = []

        async def fresh():
            asked.append(None)
            return kit.token(sub="42")

        client = await app.connected(token=kit.token(-10, sub="42"), get_token=fresh)
        assert (len(asked), client.events.seen["disconnected"]) == (1, 0)

    play(story)


def test_refreshes_its_token(play):
    """The fourth request for a token proves that refreshes were believed: the first token's time is over by then."""

    async def story(app):
        asked, fourth = [], asyncio.Event()

        async def fresh():
            asked.append(None)
            if len(asked) == 4:
                fourth.set()
            return kit.token(2, sub="42")

        client = await app.connected(get_token=fresh)
        subscription, _ = await app.subscribed(client, "news")
        await asyncio.wait_for(fourth.wait(), kit.WAIT_SECONDS)
        await app.publish("news", 1)
        assert await app.values(subscription, 1) == [1]
        assert client.events.seen["connected"] == 1

    play(story)


def test_is_closed_when_its_token_is_not_refreshed(play):
    async def story(app):
        async def never():
            await asyncio.Event().wait()

        client = await app.connected(token=kit.token(2, sub="42"), get_token=never)
        lost = await client.events.next("connecting")
        assert (lost.code, lost.reason) == (3005, "connection expired")

    play(story)


def test_reconnects_after_a_restart(play):
    async def story(app):
        client = await app.connected()
        subscription, greeting = await app.subscribed(client, "news")
        await app.publish("news", 1)
        assert await app.values(subscription, 1) == [1]
        await asyncio.to_thread(app.server.restart)
        lost = await client.events.next("connecting")
        assert (lost.code, lost.reason) == (3001, "shutdown")
        again = await subscription.events.next("subscribed")
        assert (again.was_recovering, again.recovered) == (True, False)
        assert again.stream_position.epoch != greeting.stream_position.epoch
        await app.publish("news", 2)
        assert await app.values(subscription, 1) == [2]

    play(story)


def test_is_disconnected_by_the_server(play):
    async def story(app):
        for user, request, told in (
            ("42", {}, (3503, "force disconnect")),
            ("43", {"disconnect": {"code": 4501, "reason": "gone for good"}}, (4501, "gone for good")),
        ):
            client = await app.user(user)
            await app.api("disconnect", user=user, **request)
            gone = await client.events.next("disconnected")
            assert (gone.code, gone.reason) == told

    play(story)


def test_reconnects_when_the_server_asks_for_it(play):
    async def story(app):
        client = await app.user("42")
        former = client.client_id
        await app.api("disconnect", user="42", disconnect={"code": 4001, "reason": "come back"})
        lost = await client.events.next("connecting")
        assert (lost.code, lost.reason) == (4001, "come back")
        assert (await client.events.next("connected")).client not in ("", former)

    play(story)


def test_gets_another_token_for_one_that_came_too_late(play):
    async def story(app):
        lifetimes = [None, -10, 2]

        async def fresh():
            return kit.token(lifetimes.pop(), sub="42")

        client = await app.connected(get_token=fresh)
        lost = await client.events.next("connecting")
        assert (lost.code, lost.reason) == (3005, "connection expired")
        await client.events.next("connected")
        assert not lifetimes

    play(story)


def test_tells_the_info_of_its_newest_token(play):
    """Each token tells another info; publications carry that of the newest one."""

    async def story(app):
        asked, published, believed = [], asyncio.Event(), asyncio.Event()

        async def fresh():
            asked.append(None)
            number = len(asked)
            if number == 2:
                await published.wait()
            if number == 3:  # the second has been answered
                believed.set()
            return kit.token(2, sub="42", info={"token": min(number, 2)})

        subscription, _ = await app.subscribed(await app.connected(get_token=fresh), "news")

        async def info():
            await subscription.publish(app.pack("hello"))
            return app.unpack((await subscription.events.next("publication")).pub.info.conn_info)

        assert await info() == {"token": 1}
        published.set()
        await asyncio.wait_for(believed.wait(), kit.WAIT_SECONDS)
        assert await info() == {"token": 2}

    play(story)


def test_keeps_one_connection_of_a_user(play):
    async def story(app):
        first, other, second = [await app.user(name) for name in ("42", "43", "42")]
        for client, channel in ((first, "own:#42"), (other, "own:#43"), (second, "own:#42")):
            assert (await client.events.next("subscribed")).channel == channel
        gone = await first.events.next("disconnected")
        assert (gone.code, gone.reason) == (3504, "connection limit")
        await app.publish("own:#42", {"for": 42})
        await app.publish("own:#43", {"for": 43})
        assert (await app.values(second, 1), await app.values(other, 1)) == ([{"for": 42}], [{"for": 43}])
        assert first.events.seen["publication"] == 0

    play(story)


def test_calls_no_methods(play):
    async def story(app):
        client = await app.connected()
        assert await code_of(client.rpc("anything", app.pack({}))) == 108

    play(story)


def test_calls_the_method_ping(play):
    async def story(app):
        client = await app.connected()
        assert not (await client.rpc("ping", app.pack({}))).data
        assert await code_of(client.rpc("anything", app.pack({}))) == 104

    play(story)
