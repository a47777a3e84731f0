"""PyTorch eager, trained as the bench's networks are. One argument, JSON:

work     "feedforward" or "lstm"
hidden   units of the hidden layers; units, layers, steps, channels: of the LSTM
dropout, batchSize, rows, threads
loader   true: a DataLoader over a row-by-row Dataset, as simple scripts have it; false: slices of a shuffled tensor
fused    true: Adam(fused=True); false: Adam as it is written by default
x, y     files of float32, row-major; params: the parameters to start with, laid out as Clove does
order    file of int32, the rows of every epoch; null: shuffled anew each epoch

Prints its versions when ready; for each line on its standard input it trains one epoch and prints the seconds and the loss.
"""

import json
import resource
import sys
import time

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

o = json.loads(sys.argv[1])
torch.set_num_threads(o["threads"])
torch.manual_seed(0)


def read(path, *shape):
    return torch.from_numpy(np.fromfile(path, dtype="float32").reshape(shape).copy())


class Lstm(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(o["channels"], o["units"], o["layers"], batch_first=True)
        self.output = nn.Linear(o["units"], 1)

    def forward(self, x):
        h, _ = self.lstm(x)
        return self.output(h[:, -1])


start = np.fromfile(o["params"], dtype="float32")
taken = 0


@torch.no_grad()
def take(parameter, transposed=False):
    """The next of the start parameters; Clove keeps matrices as [inputs, outputs]."""
    global taken
    values = torch.from_numpy(start[taken : taken + parameter.numel()].copy())
    taken += parameter.numel()
    parameter.copy_(values.reshape(parameter.shape[::-1]).T if transposed else values.reshape(parameter.shape))


if o["work"] == "feedforward":
    x = read(o["x"], o["rows"], -1)
    layers = []
    width = x.shape[1]
    for units in o["hidden"]:
        linear, norm = nn.Linear(width, units), nn.BatchNorm1d(units)
        for parameter in (linear.weight, linear.bias, norm.weight, norm.bias):
            take(parameter, parameter is linear.weight)
        layers += [linear, norm, nn.ReLU(), nn.Dropout(o["dropout"])]
        width = units
    layers.append(nn.Linear(width, 1))
    take(layers[-1].weight, True)
    take(layers[-1].bias)
    model = nn.Sequential(*layers)
else:
    x = read(o["x"], o["rows"], o["steps"], o["channels"])
    model = Lstm()
    take(model.output.weight, True)
    take(model.output.bias)
    for layer in range(o["layers"]):
        take(getattr(model.lstm, f"weight_ih_l{layer}"), True)
        take(getattr(model.lstm, f"weight_hh_l{layer}"), True)
        take(getattr(model.lstm, f"bias_ih_l{layer}"))
        take(getattr(model.lstm, f"bias_hh_l{layer}"))
assert taken == len(start)
y = read(o["y"], o["rows"])


class Rows(Dataset):
    def __len__(self):
        return len(x)

    def __getitem__(self, i):
        return x[i], y[i]


loader = DataLoader(Rows(), batch_size=o["batchSize"], shuffle=True)
order = None if o["order"] is None else torch.from_numpy(np.fromfile(o["order"], dtype="int32").astype("int64"))
kinds = {"fused": True} if o["fused"] else {}
optimiser = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-5, **kinds)
criterion = nn.MSELoss()
model.train()


def step(xb, yb):
    optimiser.zero_grad()
    loss = criterion(model(xb).squeeze(-1), yb)
    loss.backward()
    optimiser.step()
    return loss.item() * len(yb)


def epoch():
    if o["loader"]:
        return sum(step(xb, yb) for xb, yb in loader) / len(x)
    rows = torch.randperm(len(x)) if order is None else order
    xs, ys = x[rows], y[rows]
    size = o["batchSize"]
    return sum(step(xs[i : i + size], ys[i : i + size]) for i in range(0, len(x), size)) / len(x)


def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


print(json.dumps({"torch": torch.__version__, "numpy": np.__version__}), flush=True)
for _ in sys.stdin:
    wall, used = time.perf_counter(), cpu()
    loss = epoch()
    print(
        json.dumps({"seconds": time.perf_counter() - wall, "cpuSeconds": cpu() - used, "loss": loss}),
        flush=True,
    )
