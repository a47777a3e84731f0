"""csv_to_csv.py FOLDER THREADS: FOLDER/input.csv to FOLDER/peer.csv with pandas and PyTorch, the columns of a prediction file."""
import json
import resource
import sys
import time

import numpy as np
import pandas as pd
import torch

from network import load, predict

folder, threads = sys.argv[1], int(sys.argv[2])
torch.set_num_threads(threads)
scale = json.load(open(f"{folder}/scale.json"))
names, median, mean, sd = scale["names"], *(np.array(scale[k], dtype="f4") for k in ("median", "mean", "sd"))
model = load(folder, len(names))


def work():
    table = pd.read_csv(f"{folder}/input.csv", dtype={"customer_id": str})
    x = table[names].to_numpy(dtype="f4")
    x = np.where(np.isnan(x), median, x)
    x = np.clip((x - mean) / sd, -10, 10).astype("f4")
    y = np.maximum(0, predict(model, x, 1024) * scale["target_sd"] + scale["target_mean"])
    out = pd.DataFrame({"customer_id": table["customer_id"], "predicted_clv": y, "p_buy": np.nan})
    out["low"] = np.maximum(0, y - 10)
    out["high"] = y + 20
    rank = 100 * (out["predicted_clv"].rank(method="min") - 1) / len(out)
    out["percentile"] = rank.round(4)
    out["tier"] = np.select([rank >= 90, rank >= 70, rank >= 40], ["platinum", "gold", "silver"], "bronze")
    out["model_version"] = "w@1"
    out["as_of"] = ""
    out.to_csv(f"{folder}/peer.csv", index=False)
    return y


print(json.dumps({"torch": torch.__version__, "pandas": pd.__version__, "threads": threads}), flush=True)
for _ in sys.stdin:
    before, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    y = work()
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps({"seconds": seconds, "cpuSeconds": cpu, "sum": float(y.sum(dtype="f8"))}), flush=True)
