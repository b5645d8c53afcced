"""An application on the Python SDK: what tests do with it, and its events as something to wait for."""

import asyncio
import collections
import json

import centrifuge
import kit

RECONNECT = {"min_reconnect_delay": 0.02, "max_reconnect_delay": 0.2, "timeout": kit.WAIT_SECONDS, "proxy": None}


async def code_of(answer):
    """The code of the error with which the server answers."""
    try:
        await answer
    except centrifuge.ReplyError as failure:
        return failure.code
    raise AssertionError("the server has not refused it")


class Events:
    """Every event handler of the SDK: keeps what it is told, and gives it out in order."""

    def __init__(self):
        self._untaken = collections.defaultdict(asyncio.Queue)
        self.seen = collections.Counter()

    def __getattr__(self, name):
        if not name.startswith("on_"):
            raise AttributeError(name)
        event = name.removeprefix("on_")

        async def keep(context):
            self.seen[event] += 1
            self._untaken[event].put_nowait(context)

        return keep

    async def next(self, event):
        return await asyncio.wait_for(self._untaken[event].get(), kit.WAIT_SECONDS)


class Application:
    """What a test does with the SDK, in one format."""

    def __init__(self, format, server, relay, desk, providers):
        self.server, self.relay, self.desk, self.providers = server, relay, desk, providers
        self.relayed_url = f"ws://127.0.0.1:{relay.port}/connection/websocket"
        self.is_protobuf = format == "protobuf"
        self._clients = []

    def pack(self, value):
        return json.dumps(value).encode() if self.is_protobuf else value

    def unpack(self, data):
        """The value; nothing for no bytes."""
        return (json.loads(data) if data else None) if self.is_protobuf else data

    def who(self, info):
        """What is known about a client."""
        return [info.client, info.user, self.unpack(info.conn_info) or None, self.unpack(info.chan_info) or None]

    async def api(self, method, **request):
        answer = await asyncio.to_thread(self.server.api, method, request, kit.API_KEY)
        assert "error" not in answer, answer
        return answer.get("result")

    async def publish(self, channel, *values):
        for value in values:
            await self.api("publish", channel=channel, data=value)

    def client(self, url=None, **options):
        client = centrifuge.Client(url or self.server.websocket_url, events=Events(),
                                   use_protobuf=self.is_protobuf, **RECONNECT, **options)
        self._clients.append(client)
        return client

    async def connected(self, url=None, **options):
        client = self.client(url, **options)
        await client.connect()
        await client.events.next("connected")
        await client.events.next("connecting")
        return client

    async def user(self, name, **claims):
        return await self.connected(token=kit.token(sub=name, **claims))

    def visitor(self, name, /, **options):
        """Not yet connected; the backend knows it by a header."""
        return self.client(self.relayed_url, headers={"Authorization": name}, **options)

    async def asked(self, event):
        """The next question about it to the backend."""
        return await asyncio.to_thread(self.desk.asked, event)

    async def gone(self, **options):
        """With which code and reason a connection ends instead of beginning."""
        client = self.client(**options)
        await client.connect()
        return await self.end_of(client)

    async def end_of(self, client):
        end = await client.events.next("disconnected")
        return end.code, end.reason

    async def disturb(self, client, channel=None, values=()):
        """Cuts the network, publishes what the client misses meanwhile, and mends the network."""
        self.relay.down()
        await client.events.next("connecting")
        await self.publish(channel, *values)
        self.relay.up()

    async def refused(self, client, channel, **options):
        """The code with which a subscription ends instead of beginning."""
        subscription = client.new_subscription(channel, events=Events(), **options)
        await subscription.subscribe()
        return (await subscription.events.next("unsubscribed")).code

    async def subscribed(self, client, channel, **options):
        subscription = client.new_subscription(channel, events=Events(), min_resubscribe_delay=0.02, **options)
        await subscription.subscribe()
        return subscription, await subscription.events.next("subscribed")

    async def values(self, subscription, count):
        return [self.unpack((await subscription.events.next("publication")).pub.data) for _ in range(count)]

    async def close(self):
        for client in self._clients:
            await client.disconnect()


def tell(story, format, server, relay, desk=None, providers=None) -> None:
    """Runs a coroutine function that takes an Application."""

    async def whole():
        application = Application(format, server, relay, desk, providers)
        try:
            await asyncio.wait_for(story(application), kit.SCENARIO_SECONDS)
        finally:
            await application.close()

    asyncio.run(whole())
