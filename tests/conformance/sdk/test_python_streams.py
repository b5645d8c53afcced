"""The official Python SDK: recovery, positions, state that is elsewhere, caches, deltas."""

import asyncio
import random

import centrifuge
import kit

FOSSIL = centrifuge.DeltaType.FOSSIL


def documents():
    """Large and little different, but for one; the third edit makes another character of the same first byte."""
    source = random.Random(1)
    text = " ".join(f"{source.getrandbits(32):08x}" for _ in range(1000))
    pages = [f"{text} é", f"{text} é", f"Vorwort: {text} é", f"Vorwort: {text} ü", f"Vorwort: {text} ü!",
             "nothing", text, f"{text}!"]
    return [{"page": page, "edit": number} for number, page in enumerate(pages)]


PAGES = documents()


async def edit(app, subscription, *pages):
    """Publishes, and is whether a delta came rather than the full document. It is the document in any case."""
    deltas = []
    for page in pages:
        await app.publish(subscription.channel, page)
        publication = (await subscription.events.next("publication")).pub
        assert app.unpack(publication.data) == page
        deltas.append(publication.delta)
    return deltas


def test_recovers_what_it_missed(play):
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


def test_recovers_without_having_missed_anything(play):
    async def story(app):
        client = await app.connected(app.relayed_url)
        subscription, _ = await app.subscribed(client, "news")
        await app.publish("news", 1)
        assert await app.values(subscription, 1) == [1]
        app.relay.down()
        app.relay.up()
        again = await subscription.events.next("subscribed")
        assert (again.was_recovering, again.recovered) == (True, True)
        await app.publish("news", 2)
        assert await app.values(subscription, 1) == [2]

    play(story)


def test_is_told_when_history_does_not_reach_back(play):
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


def test_decodes_deltas(play):
    async def story(app):
        client = await app.connected()
        subscription, _ = await app.subscribed(client, "delta:page", delta=FOSSIL)
        deltas = await edit(app, subscription, *PAGES)
        # In JSON a delta cannot cut a character; "nothing" is no base for what follows it.
        assert deltas[:5] + deltas[6:] == [False, True, True, app.is_protobuf, True, False, True]

    play(story)


def test_continues_deltas_after_recovery(play):
    async def story(app):
        client = await app.connected(app.relayed_url)
        subscription, _ = await app.subscribed(client, "delta:page", delta=FOSSIL)
        assert await edit(app, subscription, *PAGES[:2]) == [False, True]
        missed = [PAGES[0], PAGES[1], PAGES[2], PAGES[0]]
        # Nothing missed may be nothing had: then the next comes whole, since the server cannot know.
        for values, forms, then in ((missed, [False, True, True, True], [True, True]), ([], [], [False, True])):
            await app.disturb(client, "delta:page", values)
            again = await subscription.events.next("subscribed")
            assert (again.was_recovering, again.recovered) == (True, True)
            got = [(await subscription.events.next("publication")).pub for _ in values]
            assert [app.unpack(publication.data) for publication in got] == values
            assert [publication.delta for publication in got] == forms
            assert await edit(app, subscription, PAGES[1], PAGES[2]) == then

    play(story)


def test_begins_deltas_afresh_without_recovery(play):
    async def story(app):
        client = await app.connected(app.relayed_url)
        subscription, greeting = await app.subscribed(client, "live:page", delta=FOSSIL)
        assert (greeting.positioned, greeting.recoverable) == (True, False)
        assert await edit(app, subscription, *PAGES[:2]) == [False, True]
        await app.disturb(client, "live:page", PAGES[:1])
        assert not (await subscription.events.next("subscribed")).was_recovering
        assert await edit(app, subscription, *PAGES[1:3]) == [False, True]

    play(story)


def test_gets_full_data_where_deltas_are_not_allowed(play):
    async def story(app):
        client = await app.connected()
        subscription, _ = await app.subscribed(client, "news", delta=FOSSIL)
        assert await edit(app, subscription, *PAGES[:3]) == [False, False, False]

    play(story)


def test_recovers_the_newest_from_a_cache(play):
    async def story(app):
        client = await app.connected(app.relayed_url)
        subscription, _ = await app.subscribed(client, "cache:price")
        await app.publish("cache:price", 1)
        assert await app.values(subscription, 1) == [1]
        for values in ([2, 3, 4], [5, 6, 7], []):
            await app.disturb(client, "cache:price", values)
            again = await subscription.events.next("subscribed")
            assert (again.was_recovering, again.recovered) == (True, True)
            for newest in values[-1:]:
                publication = (await subscription.events.next("publication")).pub
                assert (app.unpack(publication.data), publication.offset) == (newest, newest)
        await app.publish("cache:price", 8)
        assert await app.values(subscription, 1) == [8]  # and not what it has already

    play(story)


def test_gets_the_newest_with_every_subscription(play):
    async def story(app):
        await app.publish("newest:price", 1, 2, 3)
        theirs = await app.connected(token=kit.token(sub="42", channels=["newest:price"]))
        given = await theirs.events.next("publication")
        assert (given.channel, app.unpack(given.pub.data), given.pub.offset) == ("newest:price", 3, 3)
        ours, greeting = await app.subscribed(await app.connected(), "newest:price")
        assert (greeting.was_recovering, greeting.recovered) == (True, True)
        await app.publish("newest:price", 4)
        assert (await app.values(ours, 2), await app.values(theirs, 1)) == ([3, 4], [4])

    play(story)


def test_has_the_positions_that_it_asks_for(play):
    async def story(app):
        client = await app.connected(app.relayed_url)
        subscriptions = {}
        for channel, options, granted in (
            ("asked:nothing", {}, (False, False, False)),
            ("asked:position", {"positioned": True}, (True, False, True)),
            ("asked:recovery", {"recoverable": True}, (True, True, True)),
            ("plain:room", {"positioned": True, "recoverable": True}, (False, False, False)),
        ):
            subscriptions[channel], got = await app.subscribed(client, channel, **options)
            assert (got.positioned, got.recoverable, got.stream_position is not None) == granted, channel
        del subscriptions["plain:room"]

        async def everywhere(data):
            await app.api("broadcast", channels=list(subscriptions), data=data)

        await everywhere(1)
        for subscription in subscriptions.values():
            assert await app.values(subscription, 1) == [1]
        app.relay.down()
        await client.events.next("connecting")
        await everywhere(2)
        app.relay.up()
        for channel, subscription in subscriptions.items():
            again = await subscription.events.next("subscribed")
            assert (again.was_recovering, again.recovered) == (channel == "asked:recovery",) * 2, channel
        await everywhere(3)
        assert await app.values(subscriptions["asked:nothing"], 1) == [3]
        assert await app.values(subscriptions["asked:position"], 1) == [3]
        assert await app.values(subscriptions["asked:recovery"], 2) == [2, 3]

    play(story)


def test_is_told_that_its_stream_is_another(play):
    """The stream is forgotten while the subscription is alive: the server sees it by itself."""

    async def story(app):
        client = await app.connected()
        subscription, greeting = await app.subscribed(client, "fleeting:stream")
        await subscription.events.next("subscribing")  # the first attempt
        lost = await subscription.events.next("subscribing")
        assert (lost.code, lost.reason) == (2500, "insufficient state")
        again = await subscription.events.next("subscribed")
        assert (again.was_recovering, again.recovered) == (True, False)
        assert again.stream_position.epoch != greeting.stream_position.epoch
        assert client.events.seen["connected"] == 1

    play(story)


def test_reconnects_when_the_stream_of_the_servers_subscription_is_another(play):
    async def story(app):
        client = await app.connected(token=kit.token(sub="42", channels=["fleeting:stream"]))
        first = await client.events.next("subscribed")
        lost = await client.events.next("connecting")
        assert (lost.code, lost.reason) == (3010, "insufficient state")
        again = await client.events.next("subscribed")
        assert (again.channel, again.was_recovering, again.recovered) == ("fleeting:stream", True, False)
        assert again.stream_position.epoch != first.stream_position.epoch

    play(story)


def test_loads_its_state_again_when_it_cannot_recover(play):
    """An application that has its state elsewhere asks for what came behind it."""

    async def story(app):
        await app.publish("news", 1, 2)
        offsets = [0, 1]  # of the state: the first one has the first publication

        async def load(channel):
            history = await app.api("history", channel=channel)
            return centrifuge.StreamPosition(offset=offsets.pop(), epoch=history["epoch"])

        subscription, greeting = await app.subscribed(await app.connected(), "news", get_state=load)
        assert (greeting.was_recovering, greeting.recovered, offsets) == (True, True, [0])
        assert await app.values(subscription, 1) == [2]
        await asyncio.to_thread(app.server.restart)
        again = await subscription.events.next("subscribed")
        assert (again.was_recovering, again.recovered, offsets) == (True, True, [])
        await app.publish("news", 3)
        assert await app.values(subscription, 1) == [3]

    play(story)
