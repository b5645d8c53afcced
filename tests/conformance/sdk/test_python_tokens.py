"""The official Python SDK: subscriptions by token and by the server, what tokens say, one connection of a user."""

import asyncio

import kit
from application import Events

COME_BACK = {"code": 4001, "reason": "come back"}
ON = {"value": True}


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


def test_subscribes_with_a_token(play):
    async def story(app):
        client = await app.user("42")
        for name in ("closed:room", "$private"):
            asked = []

            async def fresh(channel):
                asked.append(channel)
                return kit.token(sub="42", channel=channel, info={"role": "guest"}, data={"welcome": True})

            subscription, greeting = await app.subscribed(client, name, get_token=fresh)
            assert (asked, app.unpack(greeting.data)) == ([name], {"welcome": True})
            presence = (await app.api("presence", channel=name))["presence"]
            assert presence[client.client_id]["chan_info"] == {"role": "guest"}
            await app.publish(name, 1)
            assert await app.values(subscription, 1) == [1]
        assert await app.refused(client, "$other") == 103
        forged = kit.token(sub="42", channel="closed:other") + "x"
        assert await app.refused(client, "closed:other", token=forged) == 103

    play(story)


def test_is_disconnected_for_a_token_of_another(play):
    async def story(app):
        for channel, claims in (
            ("closed:one", {"sub": "43", "channel": "closed:one"}),
            ("closed:two", {"sub": "42", "channel": "closed:one"}),
        ):
            client = await app.user("42")
            await client.new_subscription(channel, events=Events(), token=kit.token(**claims)).subscribe()
            gone = await client.events.next("disconnected")
            assert (gone.code, gone.reason) == (3500, "invalid token")

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


def test_loses_a_subscription_whose_token_comes_too_late(play):
    async def story(app):
        lifetimes = [-10, 2]

        async def fresh(channel):
            return kit.token(lifetimes.pop(), channel=channel)

        client = await app.connected()
        subscription, _ = await app.subscribed(client, "closed:room", get_token=fresh)
        left = await subscription.events.next("unsubscribed")
        assert (left.code, left.reason) == (109, "token expired")
        assert (lifetimes, client.events.seen["connected"]) == ([], 1)

    play(story)


def test_loses_a_subscription_whose_token_is_not_refreshed(play):
    async def story(app):
        asked = []

        async def fresh(channel):
            asked.append(channel)
            if len(asked) == 2:
                await asyncio.Event().wait()  # the refresh has no end
            return kit.token(2 if len(asked) == 1 else None, channel=channel)

        client = await app.connected()
        subscription, _ = await app.subscribed(client, "closed:room", get_token=fresh)
        await subscription.events.next("subscribing")  # the first attempt
        lost = await subscription.events.next("subscribing")
        assert (lost.code, lost.reason) == (2501, "subscription expired")
        await subscription.events.next("subscribed")  # with the third token
        await app.publish("closed:room", 1)
        assert await app.values(subscription, 1) == [1]
        assert (len(asked), client.events.seen["connected"]) == (3, 1)

    play(story)


def test_replaces_expired_tokens(play):
    async def story(app):
        asked = []

        async def for_connection():
            asked.append("connection")
            return kit.token(sub="42")

        async def for_subscription(channel):
            asked.append(channel)
            return kit.token(sub="42", channel=channel)

        client = await app.connected(token=kit.token(-10, sub="42"), get_token=for_connection)
        expired = kit.token(-10, sub="42", channel="closed:room")
        await app.subscribed(client, "closed:room", token=expired, get_token=for_subscription)
        assert asked == ["connection", "closed:room"]

    play(story)


def test_gets_subscriptions_with_options_of_its_token(play):
    async def story(app):
        client = await app.connected(token=kit.token(sub="42", subs={"closed:room": {
            "info": {"role": "owner"}, "data": {"welcome": True},
            "override": {"join_leave": ON, "force_push_join_leave": ON}}}))
        greeting = await client.events.next("subscribed")
        assert (greeting.channel, app.unpack(greeting.data)) == ("closed:room", {"welcome": True})
        assert not greeting.recoverable

        async def told(event):
            context = await client.events.next(event)
            return [context.channel, *app.who(context.info)]

        assert await told("join") == ["closed:room", client.client_id, "42", None, {"role": "owner"}]
        guest = await app.user("43")
        gift = {"info": {"role": "guest"}, "override": {"join_leave": ON}}
        await app.api("subscribe", user="43", channel="closed:room", **gift)
        await guest.events.next("subscribed")
        await app.api("unsubscribe", user="43", channel="closed:room")
        visitor = ["closed:room", guest.client_id, "43", None, {"role": "guest"}]
        assert [await told("join"), await told("leave")] == [visitor, visitor]
        assert guest.events.seen["join"] == 0

    play(story)


def test_is_subscribed_by_the_server(play):
    async def story(app):
        client = await app.connected(app.relayed_url, token=kit.token(sub="42"))
        kept, _ = await app.subscribed(client, "kept")
        await app.api("subscribe", user="42", channel="gift", data={"from": "server"})
        greeting = await client.events.next("subscribed")
        assert (greeting.channel, app.unpack(greeting.data)) == ("gift", {"from": "server"})
        assert greeting.recoverable
        await app.publish("gift", 1)
        assert await app.values(client, 1) == [1]

        await app.disturb(client, "gift", [2, 3])
        again = await client.events.next("subscribed")
        assert (again.channel, again.was_recovering, again.recovered) == ("gift", True, True)
        assert await app.values(client, 2) == [2, 3]

        await app.api("unsubscribe", user="42", channel="gift")
        assert (await client.events.next("unsubscribed")).channel == "gift"
        await app.api("disconnect", user="42", disconnect=COME_BACK)
        for _ in range(2):  # the first one was after the drop of the network
            await kept.events.next("subscribed")
        await app.publish("gift", 4)
        await app.publish("kept", 5)
        assert await app.values(kept, 1) == [5]
        assert (client.events.seen["subscribed"], client.events.seen["publication"]) == (2, 3)

    play(story)


def test_loses_the_servers_subscription_to_a_closed_channel(play):
    """A new connection may keep only what the client could subscribe to by itself."""

    async def story(app):
        client = await app.user("42")
        for channel in ("closed:gift", "gift"):
            await app.api("subscribe", user="42", channel=channel)
            assert (await client.events.next("subscribed")).channel == channel
        await app.publish("closed:gift", 1)
        assert await app.values(client, 1) == [1]
        await app.api("disconnect", user="42", disconnect=COME_BACK)
        assert (await client.events.next("subscribed")).channel == "gift"
        assert (await client.events.next("unsubscribed")).channel == "closed:gift"

    play(story)


def test_is_unsubscribed_by_the_server(play):
    async def story(app):
        client = await app.user("42")
        (left, _), (kept, _) = await app.subscribed(client, "left"), await app.subscribed(client, "kept")
        await app.api("unsubscribe", user="42", channel="left")
        told = await left.events.next("unsubscribed")
        assert (told.code, told.reason) == (2000, "server unsubscribe")
        await app.publish("left", 1)
        await app.publish("kept", 2)
        assert await app.values(kept, 1) == [2]
        assert left.events.seen["publication"] == 0
        await left.subscribe()  # from where it was: what it missed arrives
        assert (await left.events.next("subscribed")).recovered
        assert await app.values(left, 1) == [1]

    play(story)
