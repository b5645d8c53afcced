"""The official Python SDK: subscriptions by token and by the server."""

import asyncio

import kit
from application import Events

COME_BACK = {"code": 4001, "reason": "come back"}
ON = {"value": True}


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


def test_refreshes_its_subscription_token(play):
    async def story(app):
        asked, fourth = [], asyncio.Event()

        async def fresh(channel):
            asked.append(channel)
            if len(asked) == 4:
                fourth.set()
            return kit.token(2, channel=channel)

        subscription, _ = await app.subscribed(await app.connected(), "closed:room", get_token=fresh)
        await asyncio.wait_for(fourth.wait(), kit.WAIT_SECONDS)
        await app.publish("closed:room", 1)
        assert await app.values(subscription, 1) == [1]
        assert subscription.events.seen["subscribed"] == 1

    play(story)


def test_replaces_an_expired_subscription_token(play):
    async def story(app):
        asked = []

        async def fresh(channel):
            asked.append(channel)
            return kit.token(channel=channel)

        expired = kit.token(-10, channel="closed:room")
        await app.subscribed(await app.connected(), "closed:room", token=expired, get_token=fresh)
        assert asked == ["closed:room"]

    play(story)


def test_gets_the_subscriptions_of_its_token(play):
    async def story(app):
        client = app.client(app.relayed_url, token=kit.token(sub="42", channels=["mine"]))
        await client.connect()
        greeting = await client.events.next("subscribed")
        assert (greeting.channel, greeting.recoverable) == ("mine", True)
        await app.publish("mine", 1)
        assert await app.values(client, 1) == [1]
        app.relay.down()
        await client.events.next("subscribing")
        await app.publish("mine", 2, 3)
        app.relay.up()
        again = await client.events.next("subscribed")
        assert (again.was_recovering, again.recovered) == (True, True)
        assert await app.values(client, 2) == [2, 3]
        await app.api("unsubscribe", user="42", channel="mine")
        assert (await client.events.next("unsubscribed")).channel == "mine"

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

        await kept.events.next("subscribed")  # after the drop of the network
        await app.api("unsubscribe", user="42", channel="gift")
        assert (await client.events.next("unsubscribed")).channel == "gift"
        await app.api("disconnect", user="42", disconnect=COME_BACK)
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
