# Everything a person types. Each target sets up what it needs first; a second run does only what changed.
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup build test test-cpp test-python test-asan fuzz bugs demo bench bench-windows bench-ensembles wheel lint clean

step := scripts/step
python := .venv/bin/python

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup:  ## install missing Debian packages and fill .venv
	@scripts/setup.sh

build: setup  ## compile the library, its tests and the Python extension
	@$(step) "cmake: configure release" cmake --preset release
	@$(step) "cmake: build release" cmake --build --preset release

test: test-cpp test-python  ## run every test: C++, consumers, layers, versions, Python

test-cpp: build  ## run the C++ side of `make test`; narrow with CTEST="-R window"
	@ctest --preset release $(CTEST)

test-python: build  ## run the Python side of `make test`; narrow with PYTEST="-k parity"
	@$(python) -m pytest $(PYTEST)

test-asan: setup  ## run the C++ tests under AddressSanitizer and UndefinedBehaviorSanitizer
	@$(step) "cmake: configure asan" cmake --preset asan
	@$(step) "cmake: build asan" cmake --build --preset asan
	@ctest --preset asan $(CTEST)

fuzz: setup  ## fuzz the targets of tests/fuzz, then compare 2,000,000 random triples; e.g. FUZZ="windows -runs=20000"
	@scripts/setup-fuzz.sh
	@$(step) "cmake: configure fuzz" cmake --preset fuzz
	@$(step) "cmake: build fuzz" cmake --build --preset fuzz
	@$(step) "cmake: configure release" cmake --preset release
	@$(step) "cmake: build laws_test" cmake --build --preset release --target laws_test
	@$(python) tools/fuzz.py $(FUZZ)

bugs: setup  ## plant each bug of tools/bugs and watch a test fail; narrow with BUGS="window"
	@$(python) tools/bugs/run.py $(BUGS)

demo: setup  ## the whole story on card payments, to an HTML page; e.g. DEMO="--quick"
	@$(step) "cmake: configure release" cmake --preset release
	@$(step) "cmake: build the extension" cmake --build --preset release --target featlib_python
	@$(step) "cmake: install for the C++ example" sh -c 'cmake --install build/release --prefix build/prefix && \
	  cmake -S examples/cpp_embed -B build/cpp_embed -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH="$$PWD/build/prefix" && \
	  cmake --build build/cpp_embed'
	@FEATLIB_CPP_EXAMPLE=build/cpp_embed/cpp_embed .venv/bin/featlib demo $(DEMO)

bench: build  ## run the benchmarks; narrow with BENCH="--benchmark_filter=..."
	@for program in build/release/benchmarks/*_bench; do $$program $(BENCH) || exit 1; done

bench-windows: build  ## windows beside Polars, DuckDB, Spark and pandas in one run; e.g. BENCH="--case handbook"
	@scripts/setup-bench.sh
	@PYTHONPATH=python .venv-bench/bin/python benchmarks/windows $(BENCH)

bench-ensembles: build  ## ensembles beside XGBoost, LightGBM, CatBoost, oneDAL and treelite in one run; e.g. BENCH="300x6"
	@scripts/setup-bench.sh ensembles
	@PYTHONPATH=python .venv-bench-ensembles/bin/python benchmarks/ensembles $(BENCH)

wheel: setup  ## build a wheel into dist/
	@$(step) "pip: wheel" $(python) -m pip --disable-pip-version-check wheel --no-deps --no-build-isolation -w dist .
	@ls dist

lint: setup  ## layers, versions, the schema and, where clang-format is installed, layout
	@$(python) tools/check_layers.py
	@$(python) tools/check_versions.py
	@$(python) tools/make_schema.py --check
	@if command -v clang-format >/dev/null; then \
	  git ls-files '*.hpp' '*.cpp' '*.h' | xargs clang-format --dry-run --Werror; fi

clean:  ## remove what was built; keep .venv
	rm -rf build dist python/featlib/_core.*.so python/featlib/contract.schema.json
