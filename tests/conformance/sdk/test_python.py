"""The official Python SDK, in JSON and in Protobuf."""

import asyncio
import collections

import centrifuge
import kit
import pytest
from application import Events


def test_publications_reach_every_subscriber_with_their_publisher(play):
    async def story(app):
        writer = await app.connected(token=kit.token(sub="writer"))
        reader = await app.connected()
        here, _ = await app.subscribed(writer, "news")
        there, _ = await app.subscribed(reader, "news")
        await here.publish(app.pack({"text": "grüß dich, 世界"}))
        await app.api("publish", channel="news", data=[1, None], tags={"kind": "api"})
        for subscription in (here, there):
            first = (await subscription.events.next("publication")).pub
            assert (app.unpack(first.data), first.offset) == ({"text": "grüß dich, 世界"}, 1)
            assert (first.info.user, first.info.client) == ("writer", writer.client_id)
            second = (await subscription.events.next("publication")).pub
            assert (app.unpack(second.data), second.offset) == ([1, None], 2)
            assert (second.tags, second.info) == ({"kind": "api"}, None)

    play(story)


def test_recovery_brings_what_was_missed(play):
    async def story(app):
        client = await app.connected(app.relayed_url)
        subscription, greeting = await app.subscribed(client, "news")
        assert (greeting.recoverable, greeting.was_recovering) == (True, False)
        await app.publish("news", 1)
        assert await app.values(subscription, 1) == [1]
        app.relay.down()
        await client.events.next("connecting")
        await app.publish("news", 2, 3)
        app.relay.up()
        again = await subscription.events.next("subscribed")
        assert (again.was_recovering, again.recovered) == (True, True)
        await app.publish("news", 4)
        assert await app.values(subscription, 3) == [2, 3, 4]

    play(story)


def test_recovery_says_when_history_does_not_reach_back(play):
    async def story(app):
        client = await app.connected(app.relayed_url)
        subscription, _ = await app.subscribed(client, "short:news")
        await app.publish("short:news", 1)
        assert await app.values(subscription, 1) == [1]
        app.relay.down()
        await client.events.next("connecting")
        await app.publish("short:news", 2, 3, 4, 5)
        app.relay.up()
        again = await subscription.events.next("subscribed")
        assert (again.was_recovering, again.recovered, again.stream_position.offset) == (True, False, 5)
        await app.publish("short:news", 6)
        assert await app.values(subscription, 1) == [6]

    play(story)


def test_a_restart_of_the_server_is_survived(play):
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


def test_the_server_unsubscribes_and_disconnects(play):
    async def story(app):
        client = await app.connected(token=kit.token(sub="42"))
        subscription, _ = await app.subscribed(client, "news")
        await app.api("unsubscribe", user="42", channel="news")
        left = await subscription.events.next("unsubscribed")
        assert (left.code, left.reason) == (2000, "server unsubscribe")
        await app.api("disconnect", user="42")
        gone = await client.events.next("disconnected")
        assert (gone.code, gone.reason) == (3503, "force disconnect")

    play(story)


def test_tokens_are_refreshed(play):
    """The fourth request for a token proves that refreshes were believed: the first token's time is over by then."""

    async def story(app):
        asked, channel = collections.Counter(), "closed:room"
        enough = asyncio.Event()

        def source(kind, **claims):
            async def fresh(*_):
                asked[kind] += 1
                if min(asked["connection"], asked["subscription"]) >= 4:
                    enough.set()
                return kit.token(2, **claims)

            return fresh

        client = await app.connected(get_token=source("connection", sub="42"))
        subscription, _ = await app.subscribed(
            client, channel, get_token=source("subscription", sub="42", channel=channel))
        await asyncio.wait_for(enough.wait(), kit.WAIT_SECONDS)
        await app.publish(channel, 1)
        assert await app.values(subscription, 1) == [1]
        assert (client.events.seen["connected"], subscription.events.seen["subscribed"]) == (1, 1)

    play(story)


def test_subscriptions_of_the_token_recover(play):
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

    play(story)


def test_refusals_have_their_codes(play):
    async def story(app):
        refused = app.client(token=kit.token(sub="42") + "x")
        await refused.connect()
        gone = await refused.events.next("disconnected")
        assert (gone.code, gone.reason) == (3500, "invalid token")

        client = await app.connected()
        for channel, code in (("closed:room", 103), ("members:room", 103), ("nowhere:room", 102)):
            subscription = client.new_subscription(channel, events=Events())
            await subscription.subscribe()
            assert (await subscription.events.next("unsubscribed")).code == code
        with pytest.raises(centrifuge.ReplyError) as failure:
            await client.publish("closed:room", app.pack(1))
        assert failure.value.code == 103

    play(story)
