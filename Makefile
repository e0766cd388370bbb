# For developers; tools/build.sh and t/run.sh do the work, and need no make.

FUZZ_SECONDS = 60

# Its name is msgpack-c on Debian 13.
MSGPACK = $$(pkg-config --libs msgpack-c 2>/dev/null \
             || pkg-config --libs msgpack)

all:
	sh tools/build.sh

test:
	sh t/run.sh

unit:
	prove t/unit.t

# Needs clang.  One program per target, its seeds beside it.
fuzz:
	mkdir -p build/fuzz
	for f in t/fuzz/fuzz_*.c; do \
	    n=$$(basename $$f .c); \
	    clang -std=c99 -g -O1 -fsanitize=fuzzer,address,undefined \
	        -Isrc/page -Isrc/redis -It/unit -o build/fuzz/$$n $$f \
	        src/page/*.c src/redis/recs_*.c -lm $(MSGPACK) \
	        || exit 1; \
	    mkdir -p build/fuzz/$${n}.corpus; \
	    build/fuzz/$$n -max_total_time=$(FUZZ_SECONDS) \
	        -artifact_prefix=build/fuzz/$$n- \
	        build/fuzz/$${n}.corpus t/fuzz/seeds/$${n#fuzz_} || exit 1; \
	done

clean:
	rm -rf build

.PHONY: all test unit fuzz clean
