"""The official Python SDK: what a backend decides, over HTTP and over GRPC (desk.py)."""

import contextlib

import centrifuge
from application import Events, code_of


def test_is_let_in_by_a_backend(play):
    async def story(app):
        assert await app.gone() == (4501, "who are you?")
        stranger = app.visitor("stranger")
        await stranger.connect()
        assert (await app.end_of(stranger))[0] == 1001
        hasty = app.visitor("hasty")
        await hasty.connect()
        await hasty.events.next("connected")  # it has tried once more
        await hasty.disconnect()
        for _ in range(4):
            await app.asked("connect")

        ann = app.visitor("ann", data=app.pack({"from": "home"}), name="tests", version="1.2")
        await ann.connect()
        assert app.unpack((await ann.events.next("connected")).data) == {"welcome": {"from": "home"}}
        await ann.events.next("connecting")
        asked = await app.asked("connect")
        told = [asked[key] for key in ("client", "transport", "name", "version", "data")]
        assert told == [ann.client_id, "websocket", "tests", "1.2", {"from": "home"}]
        greetings = [await ann.events.next("subscribed") for _ in range(2)]
        granted = {greeting.channel: (greeting.recoverable, app.unpack(greeting.data)) for greeting in greetings}
        assert granted == {"mine": (True, None), "closed:desk": (False, {"topic": "desk"})}
        here = ["closed:desk", ann.client_id, "ann", {"name": "ann"}, {"seat": 1}]
        joined = await ann.events.next("join")
        assert [joined.channel, *app.who(joined.info)] == here
        await app.publish("mine", 1)
        assert await app.values(ann, 1) == [1]

        await app.disturb(ann, "mine", [2, 3])
        again = {greeting.channel: greeting for greeting in [await ann.events.next("subscribed") for _ in range(2)]}
        assert (again["mine"].was_recovering, again["mine"].recovered) == (True, True)
        assert again["closed:desk"].was_recovering is False
        assert await app.values(ann, 2) == [2, 3]
        assert (await app.asked("connect"))["client"] == ann.client_id != asked["client"]  # it is asked each time

    play(story)


def test_is_kept_by_a_backend(play):
    """The backend prolongs a connection once, under another name and with less that is allowed, and no more."""

    async def story(app):
        guest = app.visitor("guest")
        await guest.connect()
        await guest.events.next("connected")
        await guest.events.next("connecting")
        former = guest.client_id
        subscription, _ = await app.subscribed(guest, "news")
        vault, granted = await app.subscribed(guest, "vault:safe", recoverable=True)
        assert granted.recoverable
        bar, _ = await app.subscribed(guest, "closed:bar")
        assert await code_of(bar.publish(app.pack(1))) == 103

        async def name():
            await subscription.publish(app.pack("hello"))
            return app.unpack((await subscription.events.next("publication")).pub.info.conn_info)["name"]

        assert await name() == "guest"
        asked = await app.asked("refresh")
        assert [asked["client"], asked["user"], asked["meta"]] == [former, "guest", {"desk": 3}]
        while await name() != "old guest":  # until the answer is there
            pass
        left = await bar.events.next("unsubscribed")
        assert (left.code, left.reason) == (2000, "server unsubscribe")
        await vault.publish(app.pack("still here"))
        assert await app.values(vault, 1) == ["still here"]
        lost = await guest.events.next("connecting")
        assert (lost.code, lost.reason) == (3005, "connection expired")
        await guest.events.next("connected")
        assert (await app.asked("refresh"))["client"] == former != guest.client_id

    play(story)


def test_asks_a_backend_for_channels_and_calls(play):
    async def story(app):
        ann = app.visitor("ann")
        await ann.connect()
        short, _ = await app.subscribed(ann, "office:short")  # whose time runs from here on
        await app.asked("subscribe")
        room, greeting = await app.subscribed(ann, "office:room", data=app.pack({"seat": 7}))
        assert app.unpack(greeting.data) == {"topic": "room"}
        asked = await app.asked("subscribe")
        told = [asked[key] for key in ("client", "user", "channel", "meta", "data")]
        assert told == [ann.client_id, "ann", "office:room", {"desk": 3}, {"seat": 7}]
        assert await app.refused(ann, "office:closed") == 1100

        async def seat(channel):
            return (await app.api("presence", channel=channel))["presence"][ann.client_id]["chan_info"]["seat"]

        assert await seat("office:room") == 7

        async def say(text):
            return await room.publish(app.pack({"say": text}))

        for text in ("hello", "HEY", "between us"):
            await say(text)
        assert await code_of(say("damn")) == 1200
        heard = [(await room.events.next("publication")).pub for _ in range(3)]
        assert [(app.unpack(pub.data)["say"], pub.tags, pub.offset) for pub in heard] == [
            ("hello", {}, 1), ("hey", {"edited": "yes"}, 2), ("between us", {}, 0)]
        assert {pub.info.user for pub in heard} == {"ann"}
        assert [app.unpack(pub.data)["say"] for pub in (await room.history(limit=10)).publications] == ["hello", "hey"]
        asked = await app.asked("publish")
        assert [asked["user"], asked["channel"], asked["data"]] == ["ann", "office:room", {"say": "hello"}]

        async def call(method, data):
            return app.unpack((await ann.rpc(method, app.pack(data))).data)

        assert await call("add", [1, 2, 3.5]) == 6.5
        assert await call("whoami", {}) == {"user": "ann", "desk": "first", "meta": {"desk": 3}}
        assert await call("desk:whoami", {}) == {"user": "ann", "desk": "second", "meta": {"desk": 3}}
        assert await code_of(call("dance", {})) == 1404
        assert await code_of(call("nowhere:dance", {})) == 104

        await short.events.next("subscribing")  # the first attempt
        asked = await app.asked("sub_refresh")
        assert [asked["client"], asked["user"], asked["channel"]] == [ann.client_id, "ann", "office:short"]
        while await seat("office:short") != 2:  # until the answer is there
            pass
        lost = await short.events.next("subscribing")
        assert (lost.code, lost.reason) == (2501, "subscription expired")
        await short.events.next("subscribed")  # it has asked once more
        assert await seat("office:short") == 0

        assert await code_of(room.presence()) == 103
        study, _ = await app.subscribed(ann, "office:study")
        await study.publish(app.pack({"say": "damn"}))  # what is allowed is not asked about
        assert await app.values(study, 1) == [{"say": "damn"}]
        assert list((await study.presence()).clients) == [ann.client_id]

        ben = app.visitor("ben")
        await ben.connect()
        await ben.new_subscription("office:cellar", events=Events()).subscribe()
        assert await app.end_of(ben) == (4502, "out of here")
        with contextlib.suppress(centrifuge.CentrifugeError):
            await call("leave", {})
        assert await app.end_of(ann) == (4503, "as you like")

    play(story)


def test_has_a_stream_of_its_own(play):
    async def story(app):
        ann, ben = app.visitor("ann"), app.visitor("ben")
        for client in (ann, ben):
            await client.connect()
        feed, greeting = await app.subscribed(ann, "feed:news", data=app.pack({"about": "chess"}))
        assert app.unpack(greeting.data) == {"time": 1}
        asked = await app.asked("stream")
        assert [asked["user"], asked["channel"], asked["data"]] == ["ann", "feed:news", {"about": "chess"}]
        heard = [(await feed.events.next("publication")).pub for _ in range(3)]
        assert [(app.unpack(pub.data), pub.tags, pub.offset) for pub in heard] == [
            (number, {"about": "chess"}, 0) for number in (1, 2, 3)]
        await app.publish("feed:news", "to all")
        assert await app.values(feed, 1) == ["to all"]
        assert await code_of(feed.publish(app.pack("to the backend"))) == 108
        assert await app.refused(ann, "feed:closed") == 1100

        ending, _ = await app.subscribed(ann, "feed:ending")
        assert await app.values(ending, 3) == [1, 2, 3]
        end = await ending.events.next("unsubscribed")
        assert (end.code, end.reason) == (2000, "server unsubscribe")
        assert (await app.asked("end"))["channel"] == "feed:ending"
        failing, _ = await app.subscribed(ann, "feed:failing")
        await failing.events.next("subscribing")
        assert await app.values(failing, 3) == [1, 2, 3]
        lost = await failing.events.next("subscribing")
        assert (lost.code, lost.reason) == (2500, "insufficient state")
        assert app.unpack((await failing.events.next("subscribed")).data) == {"time": 2}
        assert await app.values(failing, 3) == [1, 2, 3]
        assert (await app.asked("end"))["channel"] == "feed:failing"

        mine, _ = await app.subscribed(ann, "talk:desk")
        theirs, _ = await app.subscribed(ben, "talk:desk")
        await mine.publish(app.pack({"say": "psst"}))
        await theirs.publish(app.pack({"say": "hey"}))
        assert await app.values(mine, 1) == [{"echo": {"say": "psst"}}]  # each has a backend to itself
        assert await app.values(theirs, 1) == [{"echo": {"say": "hey"}}]
        await mine.unsubscribe()
        assert (await app.asked("end"))["channel"] == "talk:desk"
        await ben.disconnect()
        assert (await app.asked("end"))["channel"] == "talk:desk"

    play(story)
