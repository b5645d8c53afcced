# Shortcuts; the build itself is CMake's (CMakePresets.json).
.PHONY: bench bench-full bench-programs

bench-programs:
	cmake --preset release
	cmake --build --preset release --target bench

# A few minutes: memory, fan-out and paced channels beside the floor. docs/benchmarks.md explains the rows.
bench: bench-programs
	if cmake --build --preset release --target help | grep -q '^gyre:'; then cmake --build --preset release --target gyre; fi
	python3 bench/run.py

bench-full: bench-programs
	if cmake --build --preset release --target help | grep -q '^gyre:'; then cmake --build --preset release --target gyre; fi
	python3 bench/run.py --full
