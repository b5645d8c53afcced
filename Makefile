# The habits; run.sh and test.sh are the two commands that need nothing installed.
.PHONY: build check test golden serving sdk attackers demo run bench bench-full bench-million bench-programs fuzz coverage format tidy clean test-fresh

build:  ## the optimised binary, build/release/gyre
	tools/install_packages.sh packages.txt
	cmake --preset release >/dev/null
	cmake --build --preset release --target gyre

check:  ## the quick part of the tests
	./test.sh --quick

test:  ## everything that CI runs
	./test.sh

golden: build  ## replay the recordings against the server
	python3 tests/conformance/run.py golden

serving: build  ## start, refusal, reload and end of the server
	python3 tests/conformance/run.py serving

sdk: build  ## the official SDKs and the demo page against the server
	tools/install_packages.sh packages-test.txt
	python3 tests/conformance/run.py sdk

attackers: build  ## every attack of tests/attackers, judged against the limits; for a quiet machine
	python3 tests/attackers/run.py --measure

demo:  ## bundle the demo page into build/web/demo
	tools/install_packages.sh packages.txt
	tools/build_demo.sh

run:  ## build and serve
	./run.sh

bench-programs: build
	cmake --build --preset release --target bench

bench: bench-programs  ## some minutes: figures beside the floor, one table; docs/benchmarks.md explains the rows
	python3 bench/run.py

bench-full: bench-programs  ## all rows
	python3 bench/run.py --full

bench-million: bench-programs  ## 1,000,000 connections, both ends on this machine; needs some 12 GiB
	python3 bench/run.py memory-million

fuzz:  ## a minute of each fuzz target that is short of its goal, and the ledger
	fuzz/run

coverage:  ## which lines of the parsers the fuzz corpora reach
	fuzz/coverage

test-fresh:  ## both README commands in an empty Debian 12 root
	tools/test_fresh.sh

format:
	git ls-files '*.cc' '*.h' | xargs clang-format-19 -i
	git ls-files '*.go' | xargs gofmt -w

tidy:  ## clang-tidy over everything; ./test.sh does it for what the latest commits touched
	tools/install_packages.sh packages.txt packages-test.txt
	cmake --preset dev >/dev/null
	cmake --build --preset dev --target gyre_client_proto
	tools/lint.py tidy

clean:
	rm -rf build
