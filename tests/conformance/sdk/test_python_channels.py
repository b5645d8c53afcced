"""The official Python SDK: publications, presence, join and leave, history, filters, permissions."""

import base64

import centrifuge
import kit
import pytest
from application import Events, code_of


def test_delivers_publications(play):
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


def test_keeps_the_order_of_many_publications(play):
    async def story(app):
        subscription, _ = await app.subscribed(await app.connected(), "stream")
        expected = [{"i": i} for i in range(250)]
        await app.api("batch", commands=[{"publish": {"channel": "stream", "data": data}} for data in expected])
        assert await app.values(subscription, len(expected)) == expected

    play(story)


@pytest.mark.parametrize("play", ["protobuf"], indirect=True)
def test_carries_bytes(play):
    async def story(app):
        data = bytes(range(256))
        subscription, _ = await app.subscribed(await app.connected(), "bytes")
        await app.api("publish", channel="bytes", b64data=base64.b64encode(data).decode())
        await subscription.publish(data)
        assert [(await subscription.events.next("publication")).pub.data for _ in range(2)] == [data, data]
        assert [publication.data for publication in (await subscription.history(limit=10)).publications] == [data, data]

    play(story)


def test_publishes_where_it_may(play):
    async def story(app):
        client = await app.user("42")
        subscription, _ = await app.subscribed(client, "news")
        await client.publish("news", app.pack("from the client"))
        await subscription.publish(app.pack("from the subscription"))
        assert await app.values(subscription, 2) == ["from the client", "from the subscription"]

        for channel, data, code in (
            ("stream", 1, 103),  # only subscribers may
            ("closed:room", 1, 103),
            ("nowhere:room", 1, 102),
            ("objects:box", [1], 107),
        ):
            assert await code_of(client.publish(channel, app.pack(data))) == code, channel
        await client.publish("objects:box", app.pack({"in": "the box"}))  # without a subscription
        history = await app.api("history", channel="objects:box", limit=10)
        info = {"user": "42", "client": client.client_id}
        assert history["publications"] == [{"data": {"in": "the box"}, "offset": 1, "info": info}]

    play(story)


def test_shows_presence(play):
    async def story(app):
        first = await app.connected(token=kit.token(sub="one", info={"name": "Ada"}))
        again, other = await app.user("one"), await app.connected()

        def role(name):
            return kit.token(sub="one", channel="room", info={"role": name})

        here, _ = await app.subscribed(first, "room", token=role("host"))
        await app.subscribed(again, "room", token=role("guest"))
        there, _ = await app.subscribed(other, "room")

        async def present():
            return {client: app.who(info) for client, info in (await here.presence()).clients.items()}

        host, guest, visitor = first.client_id, again.client_id, other.client_id
        everybody = {
            host: [host, "one", {"name": "Ada"}, {"role": "host"}],
            guest: [guest, "one", None, {"role": "guest"}],
            visitor: [visitor, "", None, None],
        }
        assert await present() == everybody
        stats = await there.presence_stats()
        assert (stats.num_clients, stats.num_users) == (3, 2)

        await there.unsubscribe()
        assert await code_of(other.presence("room")) == 103  # and the server has handled what was sent before
        del everybody[visitor]
        assert await present() == everybody
        assert await code_of(first.presence_stats("plain:room")) == 108

    play(story)


def test_sees_who_joins_and_leaves(play):
    async def story(app):
        watching, other = await app.user("0"), await app.user("2")
        guest = await app.connected(token=kit.token(sub="one", info={"name": "Ada"}))
        watcher, _ = await app.subscribed(watching, "lobby:main")

        async def told(event, subscription):
            return app.who((await subscription.events.next(event)).info)

        ada = [guest.client_id, "one", {"name": "Ada"}, {"role": "guest"}]
        second = [other.client_id, "2", None, None]
        assert await told("join", watcher) == [watching.client_id, "0", None, None]  # it sees itself as well
        token = kit.token(sub="one", channel="lobby:main", info={"role": "guest"})
        visit, _ = await app.subscribed(guest, "lobby:main", token=token)
        assert [await told("join", watcher), await told("join", visit)] == [ada, ada]
        await app.subscribed(other, "lobby:main")
        assert [await told("join", watcher), await told("join", visit)] == [second, second]
        await visit.unsubscribe()
        assert await told("leave", watcher) == ada
        await other.disconnect()
        assert await told("leave", watcher) == second
        assert (watcher.events.seen["join"], watcher.events.seen["leave"], visit.events.seen["leave"]) == (3, 2, 0)

    play(story)


def test_sees_who_joins_if_it_asks(play):
    async def story(app):
        asking, silent, guest = [await app.user(name) for name in "123"]
        told, _ = await app.subscribed(asking, "hall:main", join_leave=True)
        untold, _ = await app.subscribed(silent, "hall:main")
        visit, _ = await app.subscribed(guest, "hall:main")
        await visit.unsubscribe()
        joined = [(await told.events.next("join")).info.user for _ in range(3)]
        assert sorted(joined) == ["1", "2", "3"]  # each connection tells it on its own
        assert (await told.events.next("leave")).info.user == "3"
        await app.publish("hall:main", 1)
        assert await app.values(untold, 1) == [1]
        assert (untold.events.seen["join"], untold.events.seen["leave"]) == (0, 0)

    play(story)


async def hear_channels(app, is_numbered):
    channel = "lobby:" + "n" * 150  # longer than what is pushed beside it
    client = await app.connected(app.relayed_url, token=kit.token(sub="1"))
    subscription, _ = await app.subscribed(client, channel)
    await subscription.events.next("join")  # its own

    async def hear(number):
        before = app.relay.forwarded()
        await app.publish(channel, number)
        assert await app.values(subscription, 1) == [number]
        assert (app.relay.forwarded() - before < len(channel)) == is_numbered

    await hear(1)
    visit, _ = await app.subscribed(await app.user("2"), channel)
    assert (await subscription.events.next("join")).info.user == "2"
    await visit.unsubscribe()
    assert (await subscription.events.next("leave")).info.user == "2"
    await hear(2)

    await subscription.unsubscribe()
    await subscription.events.next("unsubscribed")
    await subscription.subscribe()
    await subscription.events.next("subscribed")
    await subscription.events.next("join")
    await hear(3)

    await app.disturb(client, channel, [4])
    assert (await subscription.events.next("subscribed")).recovered
    await app.publish(channel, 5)
    assert await app.values(subscription, 2) == [4, 5]
    await app.api("unsubscribe", user="1", channel=channel)
    assert (await subscription.events.next("unsubscribed")).code == 2000


def test_hears_channels_by_number(play):
    async def story(app):
        await hear_channels(app, not app.is_protobuf)  # as the server does unless it is told otherwise

    play(story)


@pytest.mark.parametrize("play", ["protobuf"], indirect=True)
def test_hears_channels_by_number_in_protobuf(play):
    async def story(app):
        await hear_channels(app, True)

    play(story)


def test_pages_through_history(play):
    async def story(app):
        subscription, _ = await app.subscribed(await app.connected(), "pages")
        await app.publish("pages", *range(1, 8))
        top = await subscription.history(limit=0)
        assert (top.publications, top.offset) == ([], 7)

        async def walk(**options):
            pages = []
            while (page := await subscription.history(limit=3, **options)).publications:
                assert (page.offset, page.epoch) == (7, top.epoch)
                offsets = [publication.offset for publication in page.publications]
                assert [app.unpack(publication.data) for publication in page.publications] == offsets
                pages.append(offsets)
                options["since"] = centrifuge.StreamPosition(offset=offsets[-1], epoch=page.epoch)
            return pages

        start = centrifuge.StreamPosition(offset=0, epoch=top.epoch)
        assert await walk(since=start) == [[1, 2, 3], [4, 5, 6], [7]]
        assert await walk(reverse=True) == [[7, 6, 5], [4, 3, 2], [1]]
        elsewhere = centrifuge.StreamPosition(offset=1, epoch="another")
        assert await code_of(subscription.history(limit=1, since=elsewhere)) == 112

    play(story)


def test_enters_channels_that_name_it(play):
    async def story(app):
        one, other = await app.user("42"), await app.user("44")
        subscription, _ = await app.subscribed(one, "users:chat#42,43")
        assert await app.refused(other, "users:chat#42,43") == 103
        assert await app.refused(other, "users:chat") == 103
        assert await app.refused(one, "users:chat#43#44") == 103  # what is behind the last boundary counts
        await app.publish("users:chat#42,43", 1)
        assert await app.values(subscription, 1) == [1]
        await app.subscribed(other, "chat#42")  # where the namespace has no such channels, it is only a name

    play(story)


def test_receives_what_its_filter_lets_through(play):
    f = centrifuge.Filter

    async def story(app):
        client = await app.connected(app.relayed_url)
        subscription, _ = await app.subscribed(client, "tagged:sport", tags_filter=f.all(
            f.is_in("sport", ["football", "rugby"]),
            f.any(f.gte("goals", "2.5"), f.exists("final")),
            f.negate(f.starts_with("league", "U"))))

        async def tagged(data, **tags):
            await app.api("publish", channel="tagged:sport", data=data, tags=tags)

        async def round(number):
            await tagged(f"few goals {number}", sport="football", goals="2")
            await tagged(f"many goals {number}", sport="football", goals="10")
            await tagged(f"another sport {number}", sport="chess", goals="10")
            await tagged(f"no tags {number}")
            await tagged(f"a final {number}", sport="rugby", final="")
            await tagged(f"the young {number}", sport="rugby", final="", league="U21")
            await tagged(f"the old {number}", sport="rugby", goals="2.5", league="A")
            return [f"many goals {number}", f"a final {number}", f"the old {number}"]

        first = await round(1)
        assert await app.values(subscription, 3) == first
        app.relay.down()
        await client.events.next("connecting")
        missed = await round(2)
        app.relay.up()
        again = await subscription.events.next("subscribed")
        assert (again.was_recovering, again.recovered) == (True, True)
        assert await app.values(subscription, 3) == missed
        last = await round(3)  # what is left out is no gap
        assert await app.values(subscription, 3) == last
        assert subscription.events.seen["subscribed"] == 2

        await subscription.unsubscribe()
        subscription.set_tags_filter(f.eq("sport", "chess"))
        await subscription.subscribe()
        await subscription.events.next("subscribed")
        await tagged("football", sport="football")
        await tagged("chess", sport="chess")
        assert await app.values(subscription, 1) == ["chess"]

    play(story)


def test_is_refused_with_a_bad_filter(play):
    f = centrifuge.Filter

    async def story(app):
        client = await app.connected()
        await app.subscribed(client, "tagged:good", tags_filter=f.not_in("sport", ["chess"]))
        assert await app.refused(client, "tagged:empty", tags_filter=f.all()) == 107
        assert await app.refused(client, "tagged:in", tags_filter=f.is_in("sport", [])) == 107
        assert await app.refused(client, "news", tags_filter=f.eq("sport", "chess")) == 107  # not allowed there

    play(story)


def test_learns_why_it_is_refused(play):
    async def story(app):
        client = await app.connected()
        for channel, code, reason in (
            ("closed:room", 103, "permission denied"), ("$private", 103, "permission denied"),
            ("members:room", 103, "permission denied"),  # not for those without a name
            ("nowhere:room", 102, "unknown channel"), ("l" * 300, 107, "bad request"),
        ):
            subscription = client.new_subscription(channel, events=Events())
            await subscription.subscribe()
            left = await subscription.events.next("unsubscribed")
            assert (left.code, left.reason) == (code, reason), channel
        plain, _ = await app.subscribed(client, "plain:room")
        assert await code_of(plain.history(limit=1)) == 108
        assert await code_of(plain.presence()) == 108
        assert client.state == centrifuge.ClientState.CONNECTED

    play(story)
