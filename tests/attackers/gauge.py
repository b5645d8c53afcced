"""What a server process costs: the time that its threads have run, and its share of memory."""

import pathlib
import threading


class Gauge:
    """Of one process. Memory is sampled by a thread of its own between `start` and `stop`."""

    SAMPLE_SECONDS = 0.05

    def __init__(self, pid: int):
        self._folder = pathlib.Path("/proc", str(pid))
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.peak = 0

    def cpu_seconds(self) -> float:
        nanoseconds = 0
        for task in (self._folder / "task").iterdir():
            nanoseconds += int((task / "schedstat").read_text().split()[0])
        return nanoseconds / 1e9

    def memory(self) -> int:
        """Anonymous pages in bytes. Its share of the program's and the libraries' pages grows when others that use them end,
        by megabytes, and no attacker has a part in that."""
        for line in (self._folder / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss_Anon:"):
                return int(line.split()[1]) * 1024
        raise ValueError("no Pss_Anon in smaps_rollup")

    def start(self) -> None:
        self.peak = self.memory()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def _sample(self) -> None:
        while not self._stop.wait(self.SAMPLE_SECONDS):
            self.peak = max(self.peak, self.memory())

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()
        self.peak = max(self.peak, self.memory())
