# An image of Debian's nginx with the module, that runs as nobody in particular
# (docs/installing.md shows its use):
#
#     docker build -t recs .
#     docker run --rm -p 8080:8080 --read-only --tmpfs /tmp \
#         -v "$PWD/recs.conf:/etc/nginx/conf.d/recs.conf:ro" recs

FROM debian:13-slim AS build

WORKDIR /src
COPY . .
RUN sh tools/package.sh


FROM debian:13-slim

COPY --from=build /src/build/package/libnginx-mod-http-recs_*.deb /tmp/
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y \
        --no-install-recommends nginx /tmp/*.deb \
    && rm -rf /tmp/*.deb /var/lib/apt/lists/* /etc/nginx/conf.d/* \
    && ln -sf /dev/stdout /var/log/nginx/access.log \
    && ln -sf /dev/stdout /var/log/nginx/exposure.log
COPY conf/container.conf /etc/nginx/nginx.conf

# nginx answers what it has begun.
STOPSIGNAL SIGQUIT
EXPOSE 8080
USER www-data
CMD ["nginx", "-e", "stderr", "-g", "daemon off;"]
