# The image of Catalyst, where base images can be pulled. Where they cannot, `cargo xtask image` packs the
# same from Debian's packages.
FROM rust:1.95-bookworm AS build
# Debian's own Node.js is older than what the pages' tools need.
COPY --from=node:22-bookworm-slim /usr/local/bin/node /usr/local/bin/
COPY --from=node:22-bookworm-slim /usr/local/lib/node_modules /usr/local/lib/node_modules
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm && apt-get update -qq
WORKDIR /source
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/source/target \
    cargo xtask build --release && mkdir /out && cp -r target/release/catalyst target/release/site /out/

FROM debian:bookworm-slim
RUN apt-get update -qq && apt-get install -qq --yes --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/*
COPY --from=build /out/ /opt/catalyst/
USER 65532:65532
EXPOSE 3000 9090
ENTRYPOINT ["/opt/catalyst/catalyst"]
CMD ["serve"]
