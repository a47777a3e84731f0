"""The network of the scoring benches in PyTorch, with the weights that the bench wrote; torch as people use it: eager, eval."""
import numpy as np
import torch
import torch.nn as nn

HIDDEN = [128, 256, 128, 64]


def load(folder, width):
    """Weights, biases, scales and shifts layer by layer, then the last layer, as 32-bit floats; means and variances apart."""
    values = torch.from_numpy(np.fromfile(f"{folder}/params.f32", dtype="f4"))
    stats = torch.from_numpy(np.fromfile(f"{folder}/stats.f32", dtype="f4"))
    at = [0, 0]

    def take(source, which, *shape):
        size = int(np.prod(shape))
        part = source[at[which] : at[which] + size].reshape(shape)
        at[which] += size
        return nn.Parameter(part.clone(), requires_grad=False)

    layers, inputs = [], width
    for units in HIDDEN:
        linear, norm = nn.Linear(inputs, units), nn.BatchNorm1d(units)
        linear.weight = nn.Parameter(take(values, 0, inputs, units).T.contiguous(), requires_grad=False)
        linear.bias = take(values, 0, units)
        norm.weight, norm.bias = take(values, 0, units), take(values, 0, units)
        norm.running_mean, norm.running_var = take(stats, 1, units).data, take(stats, 1, units).data
        layers += [linear, norm, nn.ReLU(), nn.Dropout(0.3)]
        inputs = units
    last = nn.Linear(inputs, 1)
    last.weight = nn.Parameter(take(values, 0, inputs, 1).T.contiguous(), requires_grad=False)
    last.bias = take(values, 0, 1)
    assert at[0] == len(values) and at[1] == len(stats)
    return nn.Sequential(*layers, last).eval()


def predict(model, x, batch):
    out = []
    with torch.no_grad():
        for i in range(0, len(x), batch):
            out.append(model(torch.from_numpy(x[i : i + batch])).squeeze(-1).numpy())
    return np.concatenate(out)
