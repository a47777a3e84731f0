"""score.py FOLDER WIDTH THREADS: scores FOLDER/x.f32 with the network of FOLDER at the fastest batch size."""
import json
import resource
import sys
import time

import numpy as np
import torch

from network import load, predict

folder, width, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
torch.set_num_threads(threads)
model = load(folder, width)
x = np.fromfile(f"{folder}/x.f32", dtype="f4").reshape(-1, width)


def timed(batch, rows):
    start = time.perf_counter()
    predict(model, rows, batch)
    return time.perf_counter() - start


sample = x[:200_000]
timed(1024, sample)
best = min((min(timed(b, sample) for _ in range(2)), b) for b in [256, 512, 1024, 2048, 4096, 16384, 65536])[1]
print(json.dumps({"torch": torch.__version__, "threads": threads, "batch": best}), flush=True)
for _ in sys.stdin:
    before, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    y = predict(model, x, best)
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps({"seconds": seconds, "cpuSeconds": cpu, "first": y[:5].tolist(), "sum": float(y.sum(dtype="f8"))}), flush=True)
