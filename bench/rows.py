"""What bench/run.py measures: the rows of its table. docs/benchmarks.md explains them."""
import dataclasses

TOKEN_SECRET = "bench-token-secret"
NAME_SIZE = 24  # of numbered channels, as gyre_bench_load writes them
CONNECTIONS_PER_TABLE = 18_000  # a descriptor table often holds no more than 20,000


@dataclasses.dataclass
class Row:
    """What gyre_bench_load does, which of its figures count, and what the servers need for it."""

    name: str
    load: str  # mode and flags; {rate} stands for half of what the peer can carry
    figures: tuple  # (key of the report, unit); less is better
    shards: int = 1
    floor: str | None = ""  # further flags of the floor; None if it cannot do this
    floor_load: str | None = None  # what is asked of the floor instead, where it can do only a part
    rounds: int | None = None  # instead of the default
    fresh: bool = False  # a new server process each round: memory is measured by growth
    own_tables: bool = False  # a descriptor table per shard: more connections than one holds
    rate: int = 0  # with {rate}: publications/s to begin the search with, and to use without a peer
    short: bool = False  # part of the short series
    verified: bool = True  # where the mode can; a delta's number cannot be read
    alone: bool = False  # only when named: takes the whole machine and minutes
    also: tuple = ()  # further figures of the best round, for the remark
    goals: dict = dataclasses.field(default_factory=dict)  # of figures, by key

    @property
    def mode(self):
        return self.load.split()[0]

    @property
    def connections(self):
        words = self.load.split()
        counted = [int(words[at + 1]) for at, word in enumerate(words) if word in ("--connections", "--members")]
        return sum(counted) if counted else 100


@dataclasses.dataclass(frozen=True)
class Limit:
    """What a figure is to be, whatever others need: by itself, or in floors."""

    most: float
    in_floors: bool = False


@dataclasses.dataclass(frozen=True)
class Goal:
    """What a figure is to be. Where the peer costs less beside the floor than Centrifugo v6.9.1 did, measured with both
    in turn on a machine of this kind, the share counts of what Centrifugo would cost here."""

    share: float  # of the peer's figure
    reference: float | None = None  # Centrifugo's figure in floors; None: it was not measured beside one


CPU = ("cpu_us_per_publication", "µs")
P95 = ("latency_p95_us", "µs")
LATENCIES = (("latency_p50_us", "µs"), ("latency_p99_us", "µs"), ("latency_p999_us", "µs"))


def memory_rows():
    tokens = f"--token-secret {TOKEN_SECRET}"
    memory = dict(figures=(("bytes_per_connection", "B"),), rounds=2, fresh=True)
    many = memory | {"floor": None, "own_tables": True,
                     "also": ("generator_bytes_per_connection", "kernel_bytes_per_connection", "opening_seconds")}
    return [
        Row("memory-18k", "idle --connections 18000", short=True, **memory, goals={"bytes_per_connection": Limit(450)}),
        Row("memory-18k-users", f"idle --connections 18000 {tokens}", short=True, **memory | {"floor": None}),
        Row("memory-18k-own-channel", "idle --connections 18000 --own-channels", **memory | {"floor": None},
            goals={"bytes_per_connection": Limit(700)}),
        Row("memory-18k-own-8-channels", "idle --connections 18000 --own-channels --subscriptions 8",
            **memory | {"floor": None}),
        Row("memory-100k", "idle --connections 100000", shards=6, **many, goals={"bytes_per_connection": Limit(450)}),
        Row("memory-100k-own-channel", "idle --connections 100000 --own-channels", shards=6, **many,
            goals={"bytes_per_connection": Limit(700)}),
        million(1_000_000, many),
        Row("idle-cpu-18k", "idle --connections 18000 --cpu-seconds 60", (("idle_cpu_us_per_s", "µs/s"),), floor=None,
            rounds=1, fresh=True, goals={"idle_cpu_us_per_s": Goal(1 / 6)}),
    ]


def million(connections, options=None):
    """The row of very many connections, which are held for ten minutes; as many shards as it takes descriptor tables."""
    shards = -(-connections // CONNECTIONS_PER_TABLE)
    options = options or next(row for row in memory_rows() if row.alone).__dict__
    wanted = ("figures", "fresh", "floor", "own_tables", "also")
    kept = {key: options[key] for key in wanted}
    kept["figures"] = (("bytes_per_connection", "B"), ("idle_cpu_us_per_s", "µs/s"))
    return Row("memory-million", f"idle --connections {connections} --opening 32 --settle 5 --cpu-seconds 600",
               shards=shards, rounds=1, alone=True, goals={"bytes_per_connection": Limit(450)}, **kept)


def fanout_rows():
    fanout = dict(figures=(("cpu_us_per_delivery", "µs"), ("to_all_p50_us", "µs")), also=("deliveries_per_s",))
    near_floor = {"goals": {"cpu_us_per_delivery": Limit(1.15, in_floors=True)}}
    # Receivers on the same machine that look every 0.2 ms: else the sender pays for waking them up, or does not, as its
    # pace happens to fit theirs, which decides more than what is measured.
    rows = [
        Row("fanout-1k-w1", "fanout --connections 1000 --window 1 --gather-us 200", short=True, **fanout, **near_floor),
        Row("fanout-1k-w16", "fanout --connections 1000 --window 16 --gather-us 200", short=True, **fanout,
            goals={"cpu_us_per_delivery": Goal(1 / 15, 2.71 / 1.22)}),
        Row("fanout-1k-w1-waking", "fanout --connections 1000 --window 1", **fanout),
        Row("fanout-1k-w1-protobuf", "fanout --connections 1000 --window 1 --gather-us 200 --protocol protobuf",
            **fanout | {"floor": None}),
        Row("fanout-1k-w1-two-shards", "fanout --connections 1000 --window 1 --gather-us 200", shards=2, **fanout,
            **near_floor),
        Row("fanout-10k-w1", "fanout --connections 10000 --window 1 --gather-us 200", **fanout, **near_floor),
        Row("fanout-10k-w8", "fanout --connections 10000 --window 8 --gather-us 200", **fanout,
            goals={"cpu_us_per_delivery": Goal(1 / 12, 7.54 / 3.94)}),
        Row("fanout-1-w1", "fanout --connections 1 --window 1", short=True, **fanout,
            goals={"cpu_us_per_delivery": Goal(1 / 4, 20 / 4.2), "to_all_p50_us": Goal(1 / 2, 21.6 / 8.3)}),
    ]
    # What negotiated deltas and filters add to fanout-1k-1kb and fanout-1k-w1: a publication differs from the one
    # before in its stamp; each filter is asked once, and passes.
    rows += [
        Row("fanout-1k-delta",
            "fanout --connections 1000 --window 1 --gather-us 200 --size 1024 --channel delta:bench --delta",
            verified=False, **fanout | {"floor": None, "also": ("deliveries_per_s", "message_bytes")}),
        Row("fanout-1k-100-filters",
            "fanout --connections 1000 --window 1 --gather-us 200 --channel filter:bench --filters 100",
            **fanout | {"floor": None}),
    ]
    for count in ("1k", "10k"):
        for text, size in (("64b", 64), ("1kb", 1024), ("4kb", 4096), ("10kb", 10240)):
            rows.append(Row(f"fanout-{count}-{text}",
                            f"fanout --connections {count.replace('k', '000')} --window 1 --gather-us 200 --size {size}",
                            floor=f"--data {size}", **fanout, **near_floor))
    return rows


def paced_rows():
    one = f"--each 1 --channel {'c' * NAME_SIZE}"
    ten = f"--each 10 --channel {'c' * NAME_SIZE}"
    paced = dict(figures=(CPU, *LATENCIES), also=("server_cores",))
    latency = paced | {"figures": LATENCIES, "also": ("publications_per_s", "server_cores"),
                       "goals": {key: Goal(1 / 2) for key, _ in LATENCIES}}
    return [
        Row("channels-10k-x1", "channels --channels 10000 --connections 10000 --rate 8000", short=True, floor=one,
            **paced, goals={CPU[0]: Goal(1 / 5, 50 / 7)}),
        Row("channels-10k-x1-two-shards", "channels --channels 10000 --connections 10000 --rate 8000", shards=2,
            floor=one, **paced, goals={CPU[0]: Goal(1.3 / 5, 50 / 7)}),
        Row("channels-1k-x10", "channels --channels 1000 --connections 10000 --rate 4000", floor=ten, **paced,
            goals={CPU[0]: Goal(1 / 5)}),
        Row("channels-1k-x1-10000", "channels --channels 1000 --connections 1000 --rate 10000", floor=one, **paced,
            goals={"latency_p50_us": Limit(1000)}),
        Row("channels-100k", "channels --channels 10000 --connections 100000 --rate 10000 --warmup 1", shards=6,
            own_tables=True, rounds=2, **paced | {"floor": None, "figures": (CPU, *LATENCIES[:1], P95, *LATENCIES[1:])},
            goals={"latency_p50_us": Limit(5000), P95[0]: Limit(15_000)}),
        Row("latency-10k-x1", "channels --channels 10000 --connections 10000 --rate {rate}", floor=one, rate=4000,
            **latency),
        Row("latency-1k-x10", "channels --channels 1000 --connections 10000 --rate {rate}", floor=ten, rate=2000,
            **latency),
        Row("latency-1-x1k", "channels --connections 1000 --rate {rate}", rate=50, **latency),
    ]


def request_rows():
    tokens = f"--token-secret {TOKEN_SECRET}"
    api = dict(figures=(CPU,), also=("publications_per_s", "latency_p50_us"))
    publish = dict(figures=(CPU, ("latency_p50_us", "µs")), floor="--answer 1", also=("publications_per_s",))
    lone_request = dict(floor="--answer 1", floor_load="api --publishers 16")
    storm = dict(figures=(("cpu_us_per_connection", "µs"),), also=("connections_per_s",))
    return [
        Row("api", "api --publishers 16", short=True, **api, goals={CPU[0]: Goal(1 / 4, 14.1 / 2.5)}),
        Row("api-batch-100", "api --publishers 16 --batch 100", **api, **lone_request,
            goals={CPU[0]: Goal(1 / 10, 4.6 / 2.5)}),
        Row("api-broadcast-100", "api --publishers 16 --broadcast 100 --channels 100", **api, **lone_request,
            goals={CPU[0]: Goal(1 / 10, 2.6 / 2.5)}),
        Row("api-history", "api --publishers 16 --channel hist:bench", **api | {"floor": None}),
        Row("publish-1", "publish --connections 1", **publish, goals={CPU[0]: Goal(1 / 3, 13.1 / 4)}),
        Row("publish-100", "publish --connections 100", **publish, goals={CPU[0]: Goal(1 / 3)}),
        Row("connect", "connect", **storm),
        Row("connect-token", f"connect {tokens}", short=True, **storm,
            goals={"cpu_us_per_connection": Goal(1 / 4, 67 / 8.6)}),
        Row("join-10k-present", "connect --channel present:bench --members 10000 --gather-us 200",
            **storm | {"floor_load": "connect", "also": ("connections_per_s", "latency_p50_us")}),
        Row("join-10k-told", "connect --channel told:bench --members 10000 --gather-us 200 --concurrency 16",
            **storm | {"floor": None, "rounds": 1, "fresh": True,
                       "also": ("connections_per_s", "told_per_connection")}),
        Row("recover-10", "recover --channel hist:bench --missed 10", short=True, floor_load="connect", **storm,
            goals={"cpu_us_per_connection": Goal(1 / 5, 108 / 8.6)}),
        Row("recover-50", "recover --channel hist:bench --missed 50", floor_load="connect", **storm),
    ]


def stall_rows():
    stall = dict(figures=(("growth_mb", "MB"), ("sockets_mb", "MB"), ("all_cut_s", "s"), ("latency_p99_us", "µs"),
                          ("good_lost_percent", "%")),
                 floor=None, rounds=2, fresh=True, also=("half_cut_s", "good_cut", "latency_max_us"))
    return [
        Row("stall-1k", "stall --connections 1000 --rate 1000 --size 1024 --duration 5", **stall),
        Row("stall-10k", "stall --connections 10000 --rate 1000 --size 1024 --duration 5", **stall,
            goals={"growth_mb": Limit(201), "sockets_mb": Limit(327), "all_cut_s": Limit(2),
                   "good_lost_percent": Limit(0)}),
    ]


def overload_rows():
    load = "overload --batch 10 --channels 100 --size 256"
    goals = {"goodput_lost_percent": Limit(10), "normal_after_s": Limit(2)}
    overload = dict(figures=(("goodput_lost_percent", "%"), ("normal_after_s", "s")), floor=None, fresh=True,
                    also=("peak_per_s", "goodput_per_s", "refused_requests", "probe_overload_p99_us", "growth_mb"))
    return [
        Row("overload-2x", f"{load} --duration 10", rounds=2, **overload, goals=goals),
        Row("overload-2x-2min", f"{load} --duration 120", rounds=1, alone=True, **overload, goals=goals),
    ]


def all_rows():
    return [*memory_rows(), *fanout_rows(), *paced_rows(), *request_rows(), *stall_rows(), *overload_rows()]
