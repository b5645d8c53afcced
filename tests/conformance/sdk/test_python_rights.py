"""The official Python SDK: who a user is and what it may do, as tokens of others and the server API say."""

import asyncio
import time

import kit
from application import code_of

PAST, BETWEEN, LATER = 1000, 2000, 3000  # when tokens were issued, and when those before do not count any more


def test_is_known_by_tokens_of_several_providers(play):
    async def story(app):
        signed = app.providers.token
        ann = await app.connected(token=signed("works", sub="ann", user={"role": "editor"}))
        ben = await app.connected(token=signed("school", sub="ben", **{"https://example.com/groups": ["chess"]}))
        cid = await app.user("cid", meta={"kept": True}, user={"role": "guest"})
        connections = (await app.api("connections"))["connections"]
        assert {id: (told["user"], told["state"]["meta"]) for id, told in connections.items()} == {
            ann.client_id: ("ann", {"role": "editor"}),
            ben.client_id: ("ben", {"groups": ["chess"]}),
            cid.client_id: ("cid", {"kept": True, "role": "guest"}),
        }
        room = {"channel": "closed:room"}
        await app.subscribed(ben, "closed:room", token=signed("school", sub="ben", **room))
        assert await app.refused(cid, "closed:room", token=signed("works", sub="cid", **room) + "x") == 103
        works = "https://works.example/"
        for forged in (kit.token(sub="ann", iss=works), signed("school", sub="ann", iss=works),
                       signed("school", sub="ann", iss="https://nobody.example/")):
            assert await app.gone(token=forged) == (3500, "invalid token")

    play(story)


def test_is_shut_out_by_the_server(play):
    async def story(app):
        mallory = await app.user("mallory")
        await app.api("block_user", user="mallory", expire_at=int(time.time()) + 3600)
        assert await app.end_of(mallory) == (3503, "force disconnect")
        assert await app.gone(token=kit.token(sub="mallory")) == (3507, "permission denied")
        await app.api("unblock_user", user="mallory")
        await app.user("mallory")

        lost, kept = await app.user("42", jti="lost", iat=LATER), await app.user("42", jti="kept", iat=LATER)
        await app.api("revoke_token", uid="lost")
        assert await app.end_of(lost) == (3500, "invalid token")
        assert await app.gone(token=kit.token(sub="42", jti="lost", iat=LATER)) == (3500, "invalid token")

        def room(issued):
            return kit.token(sub="42", channel="closed:room", iat=issued)

        old = await app.user("42", iat=PAST)
        subscription, _ = await app.subscribed(kept, "closed:room", token=room(PAST))
        await app.api("invalidate_user_tokens", user="42", channel="closed:room", issued_before=BETWEEN)
        left = await subscription.events.next("unsubscribed")
        assert (left.code, left.reason) == (2000, "server unsubscribe")
        assert await app.refused(old, "closed:room", token=room(PAST)) == 103
        await app.api("invalidate_user_tokens", user="42", issued_before=BETWEEN)
        assert await app.end_of(old) == (3500, "invalid token")
        assert await app.gone(token=kit.token(sub="42", iat=PAST)) == (3500, "invalid token")
        await app.subscribed(await app.user("42", iat=LATER), "closed:room", token=room(LATER))
        news, _ = await app.subscribed(kept, "news")  # it has lost the room alone
        await app.publish("news", 1)
        assert await app.values(news, 1) == [1]

    play(story)


def test_says_that_it_is_active(play):
    async def story(app):
        began = int(time.time())

        async def status(*users):
            return (await app.api("get_user_status", users=users))["statuses"]

        ann, stranger = await app.user("ann"), await app.connected()
        (before,) = await status("ann")
        assert (before["user"], "active" in before) == ("ann", False)
        assert began <= before["online"] <= time.time()
        await ann.rpc("update_user_status", app.pack({}))
        assert await code_of(stranger.rpc("update_user_status", app.pack({}))) == 103
        await app.api("update_user_status", users=["ben"], state="away")
        now, ben, nobody = await status("ann", "ben", "nobody")
        assert began <= now["active"] <= time.time() and now["online"] >= began
        assert (ben["user"], ben["state"], "online" in ben, nobody) == ("ben", "away", False, {"user": "nobody"})
        assert began <= ben["active"] <= time.time()
        await app.api("delete_user_status", users=["ben"])
        assert await status("ben") == [{"user": "ben"}]

    play(story)


def test_is_listed_with_what_it_does(play):
    async def story(app):
        token = kit.token(sub="42", jti="a1", iat=PAST, meta={"role": "editor"}, channels=["mine"])
        client = await app.connected(token=token, name="tests", version="1.2")
        await app.connected()
        await app.subscribed(client, "news")
        room = kit.token(sub="42", channel="closed:room", jti="s1", iat=PAST)
        await app.subscribed(client, "closed:room", token=room)
        await app.api("subscribe", user="42", channel="gift")
        listed = (await app.api("connections", user="42"))["connections"]
        assert list(listed) == [client.client_id]
        told = listed[client.client_id]
        assert [told[key] for key in ("app_name", "app_version", "user", "transport", "protocol")] == [
            "tests", "1.2", "42", "websocket", "protobuf" if app.is_protobuf else "json"]
        state = told["state"]
        assert {channel: context["source"] for channel, context in state["channels"].items()} == {
            "mine": 1, "closed:room": 3, "news": 6, "gift": 10}
        assert (state["connection_token"], state["meta"]) == ({"uid": "a1", "issued_at": PAST}, {"role": "editor"})
        assert state["subscription_tokens"] == {"closed:room": {"uid": "s1", "issued_at": PAST}}
        assert told["connected_at_ms"] > 0
        assert len((await app.api("connections"))["connections"]) == 2
        await app.api("disconnect", user="42", client=client.client_id)
        assert await app.end_of(client) == (3503, "force disconnect")
        assert (await app.api("connections", user="42"))["connections"] == {}

    play(story)


def test_is_refreshed_by_the_server(play):
    async def story(app):
        client = await app.user("42", info={"role": "guest"})
        subscription, _ = await app.subscribed(client, "news")

        async def info():
            await subscription.publish(app.pack("hello"))
            return app.unpack((await subscription.events.next("publication")).pub.info.conn_info)

        assert await info() == {"role": "guest"}
        await app.api("refresh", user="42", expire_at=int(time.time()) + 3600, info={"role": "host"})
        assert await info() == {"role": "host"}
        present = (await app.api("presence", channel="news"))["presence"]
        assert present[client.client_id]["conn_info"] == {"role": "host"}
        await app.api("refresh", user="42", expired=True)
        lost = await client.events.next("connecting")
        assert (lost.code, lost.reason) == (3005, "connection expired")
        await client.events.next("connected")

    play(story)


def test_does_what_its_token_allows(play):
    async def story(app):
        vault = {"channels": ["vault:*"], "match": "wildcard", "allow": ["sub", "pub", "hst", "prs"]}
        wants = {"recoverable": True, "join_leave": True}
        lifetimes, is_in = [(300, []), (2, [vault])], asyncio.Event()

        async def fresh():
            lifetime, caps = lifetimes.pop()
            if not caps:
                await is_in.wait()
            return kit.token(lifetime, sub="41", caps=caps)

        losing = await app.connected(get_token=fresh)
        lost, _ = await app.subscribed(losing, "vault:desk")
        is_in.set()

        client = await app.user("42", caps=[
            {"channels": ["vault:reports"], "allow": ["sub"]}, vault,
            {"channels": ["^closed:[0-9]+$"], "match": "regex", "allow": ["sub"]}])
        desk, granted = await app.subscribed(client, "vault:safe", **wants)
        assert granted.recoverable
        assert (await desk.events.next("join")).info.client == client.client_id
        await desk.publish(app.pack("mine"))
        assert await app.values(desk, 1) == ["mine"]
        assert list((await desk.presence()).clients) == [client.client_id]
        assert [app.unpack(kept.data) for kept in (await desk.history(limit=10)).publications] == ["mine"]

        reports, granted = await app.subscribed(client, "vault:reports", **wants)  # the first entry decides
        assert not granted.recoverable
        for refusal in (reports.publish(app.pack(1)), reports.presence(), reports.history(limit=1)):
            assert await code_of(refusal) == 103
        await app.subscribed(client, "closed:42")
        for channel in ("closed:room", "$vault:safe"):
            assert await app.refused(client, channel) == 103, channel

        other = await app.user("43")
        assert await app.refused(other, "vault:desk") == 103
        token = kit.token(sub="43", channel="vault:safe", allow=["pub"])
        safe, _ = await app.subscribed(other, "vault:safe", token=token)
        await safe.publish(app.pack("theirs"))
        assert await app.values(desk, 1) == ["theirs"]
        assert await code_of(safe.presence()) == 103

        left = await lost.events.next("unsubscribed")
        assert (left.code, left.reason, lifetimes) == (2000, "server unsubscribe", [])
        assert losing.events.seen["connected"] == 1

    play(story)
