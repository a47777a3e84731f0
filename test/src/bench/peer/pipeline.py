"""pipeline.py FOLDER THREADS EPOCHS: FOLDER/customers.csv read, network W trained on it, every customer scored to a CSV."""
import json
import resource
import sys
import time

import numpy as np
import pandas as pd
import torch
import torch.nn as nn

folder, threads, epochs = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
torch.set_num_threads(threads)


def work():
    torch.manual_seed(0)
    table = pd.read_csv(f"{folder}/customers.csv")
    target = table["clv"].to_numpy("f4")
    features = pd.get_dummies(table.drop(columns="clv"), dummy_na=True)
    x = features.fillna(features.median()).to_numpy("f4")
    order = np.random.default_rng(0).permutation(len(x))
    train = order[: int(0.7 * len(x))]
    mean, sd = x[train].mean(0), x[train].std(0)
    x = (x - mean) / np.where(sd > 0, sd, 1)
    scale = (target[train].mean(), target[train].std())
    y = (target - scale[0]) / scale[1]
    layers, inputs = [], x.shape[1]
    for units in [128, 256, 128, 64]:
        layers += [nn.Linear(inputs, units), nn.BatchNorm1d(units), nn.ReLU(), nn.Dropout(0.3)]
        inputs = units
    model = nn.Sequential(*layers, nn.Linear(inputs, 1))
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-5)
    loss_of = nn.MSELoss()
    inputs_, targets = torch.from_numpy(x), torch.from_numpy(y)
    for _ in range(epochs):
        model.train()
        rows = torch.from_numpy(np.random.permutation(train))
        for i in range(0, len(rows) - 1, 64):
            batch = rows[i : i + 64]
            optimiser.zero_grad()
            loss = loss_of(model(inputs_[batch]).squeeze(-1), targets[batch])
            loss.backward()
            optimiser.step()
    model.eval()
    with torch.no_grad():
        out = [model(inputs_[i : i + 1024]).squeeze(-1).numpy() for i in range(0, len(x), 1024)]
    predicted = np.maximum(0, np.concatenate(out) * scale[1] + scale[0])
    result = pd.DataFrame({"customer_id": table.index + 1, "predicted_clv": predicted})
    rank = 100 * (result["predicted_clv"].rank(method="min") - 1) / len(result)
    result["percentile"] = rank.round(4)
    result["tier"] = np.select([rank >= 90, rank >= 70, rank >= 40], ["platinum", "gold", "silver"], "bronze")
    result.to_csv(f"{folder}/peer.csv", index=False)


print(json.dumps({"torch": torch.__version__, "pandas": pd.__version__, "threads": threads}), flush=True)
for _ in sys.stdin:
    before, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    work()
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps({"seconds": seconds, "cpuSeconds": cpu}), flush=True)
