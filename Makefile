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

# Of nginx's own, with stand-ins for what they want of it; after tools/build.sh,
# which brings its headers.
NGINX = build/nginx
REPLY = -std=gnu99 $(addprefix -I$(NGINX)/, src/core src/event \
            src/event/modules src/os/unix objs) \
        t/fuzz/ngx_stand_ins.c $(patsubst %, src/redis/ngx_recs_redis_%.c, \
            reply values pipeline fault push) $$(pkg-config --libs hiredis)

# Needs clang.  One program per target, its seeds beside it.
fuzz:
	mkdir -p build/fuzz
	for f in t/fuzz/fuzz_*.c; do \
	    n=$$(basename $$f .c); \
	    more=; \
	    [ $$n != fuzz_redis_reply ] || more="$(REPLY)"; \
	    clang -std=c99 -g -O1 -fsanitize=fuzzer,address,undefined \
	        -Isrc/page -Isrc/redis -It/unit -o build/fuzz/$$n $$f \
	        src/page/*.c src/redis/recs_*.c $$more -lm $(MSGPACK) \
	        || exit 1; \
	    mkdir -p build/fuzz/$${n}.corpus; \
	    build/fuzz/$$n -max_total_time=$(FUZZ_SECONDS) \
	        -artifact_prefix=build/fuzz/$$n- \
	        build/fuzz/$${n}.corpus t/fuzz/seeds/$${n#fuzz_} || exit 1; \
	done

clean:
	rm -rf build

.PHONY: all test unit fuzz clean
