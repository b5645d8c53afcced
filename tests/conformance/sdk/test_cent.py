"""cent, the official Python library of the server API; what its calls do is seen by a client where one is needed."""

import base64
import contextlib
import time

import cent
import kit
import pytest
from application import tell


@pytest.fixture
def api(server):
    with cent.Client(f"{server.url}/api", kit.API_KEY, timeout=kit.WAIT_SECONDS) as client:
        yield client


@contextlib.contextmanager
def refused(code, message):
    with pytest.raises(cent.CentApiResponseError) as failure:
        yield
    assert (failure.value.code, failure.value.message) == (code, message)


def publish(api, channel, *values):
    return [api.publish(cent.PublishRequest(channel=channel, data=value)) for value in values]


def test_publish(api):
    first, second = publish(api, "news", {"n": 1}, {"n": 2})
    assert (first.offset, second.offset) == (1, 2)
    assert first.epoch == second.epoch != ""
    plain = api.publish(cent.PublishRequest(channel="plain:news", data="no history"))
    assert (plain.offset, plain.epoch) == (0, "")
    outside = api.publish(cent.PublishRequest(channel="news", data=3, skip_history=True))
    assert outside.offset == 0


def test_publish_once_for_each_idempotency_key(api):
    request = cent.PublishRequest(channel="news", data=1, idempotency_key="key")
    assert api.publish(request) == api.publish(request)
    assert api.history(cent.HistoryRequest(channel="news")).offset == 1


def test_broadcast(api):
    result = api.broadcast(cent.BroadcastRequest(channels=["a", "nowhere:b", "c"], data={"n": 1}, tags={"k": "v"}))
    assert [response.result and response.result.offset for response in result.responses] == [1, None, 1]
    assert (result.responses[1].error.code, result.responses[1].error.message) == (102, "unknown channel")
    kept = api.history(cent.HistoryRequest(channel="c", limit=-1)).publications
    assert [(publication.data, publication.tags) for publication in kept] == [({"n": 1}, {"k": "v"})]


def test_history(api):
    epoch = publish(api, "news", 1, 2, 3, 4)[0].epoch

    def offsets(**request):
        result = api.history(cent.HistoryRequest(channel="news", **request))
        assert (result.offset, result.epoch) == (4, epoch)
        return [publication.offset for publication in result.publications]

    since = cent.StreamPosition(offset=2, epoch=epoch)
    assert offsets() == []
    assert offsets(limit=-1) == [1, 2, 3, 4]
    assert offsets(limit=1, since=since) == [3]
    assert offsets(limit=10, since=since) == [3, 4]
    assert offsets(limit=2, reverse=True) == [4, 3]
    with refused(112, "unrecoverable position"):
        offsets(since=cent.StreamPosition(offset=2, epoch="another"))


def test_history_remove_keeps_the_position(api):
    epoch = publish(api, "news", 1, 2)[0].epoch
    api.history_remove(cent.HistoryRemoveRequest(channel="news"))
    result = api.history(cent.HistoryRequest(channel="news", limit=-1))
    assert (result.publications, result.offset, result.epoch) == ([], 2, epoch)
    assert publish(api, "news", 3)[0].offset == 3


def test_batch(api):
    result = api.batch(cent.BatchRequest(requests=[
        cent.PublishRequest(channel="news", data=1),
        cent.PublishRequest(channel="news", data=2),
        cent.HistoryRequest(channel="news", limit=-1),
        cent.PresenceStatsRequest(channel="news"),
    ]))
    first, second, history, stats = result.replies
    assert (first.offset, second.offset, stats.num_clients) == (1, 2, 0)
    assert [publication.data for publication in history.publications] == [1, 2]


def test_errors(api, server):
    with refused(102, "unknown channel"):
        publish(api, "nowhere:news", 1)
    with refused(107, "bad request"):
        publish(api, "", 1)
    with refused(107, "bad request"):
        api.publish(cent.PublishRequest(channel="news", data=1, b64data="not base64!"))
    with refused(108, "not available"):
        api.history(cent.HistoryRequest(channel="plain:news", limit=1))
    with refused(108, "not available"):
        api.presence(cent.PresenceRequest(channel="plain:news"))
    with cent.Client(f"{server.url}/api", "another key") as stranger, pytest.raises(cent.CentUnauthorizedError):
        stranger.info(cent.InfoRequest())
    with cent.Client(f"{server.url}/nowhere", kit.API_KEY) as lost, pytest.raises(cent.CentTransportError) as failure:
        lost.info(cent.InfoRequest())
    assert failure.value.status_code == 404


def test_info(api):
    (node,) = api.info(cent.InfoRequest()).nodes
    assert node.uid and node.name and node.version


# What follows needs a client; the calls are made in the middle of its life.


@pytest.fixture
def play(server, relay):
    return lambda story: tell(story, "json", server, relay)


def test_subscribe_and_unsubscribe(play, api):
    async def story(app):
        client = await app.connected(token=kit.token(sub="42"))
        api.subscribe(cent.SubscribeRequest(user="42", channel="gift", info={"role": "guest"}, data={"hello": 1}))
        greeting = await client.events.next("subscribed")
        assert (greeting.channel, greeting.data) == ("gift", {"hello": 1})
        present = api.presence(cent.PresenceRequest(channel="gift")).presence
        assert present[client.client_id].chan_info == {"role": "guest"}
        publish(api, "gift", 1)
        assert await app.values(client, 1) == [1]
        api.unsubscribe(cent.UnsubscribeRequest(user="42", channel="gift"))
        assert (await client.events.next("unsubscribed")).channel == "gift"

    play(story)


def test_subscribe_with_options_and_a_position(play, api):
    async def story(app):
        publish(api, "gift", 1, 2, 3)
        epoch = api.history(cent.HistoryRequest(channel="gift")).epoch
        client = await app.connected(token=kit.token(sub="42"))
        api.subscribe(cent.SubscribeRequest(
            user="42", channel="gift", client=client.client_id,
            recover_since=cent.StreamPosition(offset=3, epoch=epoch),
            override=cent.ChannelOptionsOverride(force_recovery=cent.BoolValue(value=False),
                                                 force_positioning=cent.BoolValue(value=True),
                                                 presence=cent.BoolValue(value=False))))
        greeting = await client.events.next("subscribed")
        assert (greeting.positioned, greeting.recoverable) == (True, False)
        assert api.presence(cent.PresenceRequest(channel="gift")).presence == {}

    play(story)


def test_presence_and_channels(play, api):
    async def story(app):
        for user in ("one", "two", "two"):
            client = await app.connected(token=kit.token(sub=user, info={"name": user}))
            await app.subscribed(client, "room")
        await app.subscribed(client, "hall")
        present = api.presence(cent.PresenceRequest(channel="room")).presence
        assert sorted(info.user for info in present.values()) == ["one", "two", "two"]
        assert present[client.client_id].conn_info == {"name": "two"}
        stats = api.presence_stats(cent.PresenceStatsRequest(channel="room"))
        assert (stats.num_clients, stats.num_users) == (3, 2)

        def channels(**request):
            found = api.channels(cent.ChannelsRequest(**request)).channels
            return {name: channel.num_clients for name, channel in found.items()}

        assert channels() == {"room": 3, "hall": 1}
        assert channels(pattern="h*") == {"hall": 1}

    play(story)


def test_disconnect(play, api):
    async def story(app):
        gone = await app.connected(token=kit.token(sub="42"))
        kept = await app.connected(token=kit.token(sub="42"))
        api.disconnect(cent.DisconnectRequest(
            user="42", whitelist=[kept.client_id], disconnect=cent.Disconnect(code=4500, reason="enough")))
        event = await gone.events.next("disconnected")
        assert (event.code, event.reason) == (4500, "enough")
        api.disconnect(cent.DisconnectRequest(user="42", client=kept.client_id))
        event = await kept.events.next("disconnected")
        assert (event.code, event.reason) == (3503, "force disconnect")

    play(story)


def test_refresh(play, api):
    async def story(app):
        client = await app.connected(token=kit.token(sub="42"))
        api.refresh(cent.RefreshRequest(user="42", expire_at=int(time.time()) + 3600))
        api.refresh(cent.RefreshRequest(user="42", expired=True))
        event = await client.events.next("connecting")
        assert (event.code, event.reason) == (3005, "connection expired")
        await client.events.next("connected")

    play(story)


def test_bytes(play, api):
    """Payloads that are not JSON are kept as they are; JSON clients are told so by a disconnect."""

    async def story(app):
        client = await app.connected()
        await app.subscribed(client, "bytes")
        api.publish(cent.PublishRequest(channel="bytes", data=None, b64data=base64.b64encode(b"\x00\xff").decode()))
        event = await client.events.next("disconnected")
        assert (event.code, event.reason) == (3506, "inappropriate protocol")

    play(story)
