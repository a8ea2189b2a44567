"""Loss curve of LoRA on a tiny LLaMA, by PyTorch: what tests/golden/lora.c must follow.

Writes tests/golden/train/tiny-llama.gguf (random weights, Q and K rows in GGUF's order) and
tests/golden/train/lora.safetensors: initial A, the examples, the loss of each of 50 steps and the final
adapters of one layer. Run: python lora.py OUT_DIR   (torch, gguf, safetensors, numpy)
"""
import sys

import gguf
import numpy as np
import torch
from safetensors.numpy import save_file

out = sys.argv[1]
torch.manual_seed(3)
torch.set_num_threads(1)
D, L, H, KV, F, V, R, ALPHA, EPS, BASE = 32, 2, 4, 2, 48, 60, 4, 8.0, 1e-5, 10000.0
HD = D // H


def matrix(n, k):
    return torch.randn(n, k) / k ** 0.5


layers = []
for _ in range(L):
    layers.append(dict(attn_q=matrix(D, D), attn_k=matrix(KV * HD, D), attn_v=matrix(KV * HD, D), attn_output=matrix(D, D),
                       ffn_gate=matrix(F, D), ffn_up=matrix(F, D), ffn_down=matrix(D, F),
                       attn_norm=1 + 0.1 * torch.randn(D), ffn_norm=1 + 0.1 * torch.randn(D)))
table, last = torch.randn(V, D), 1 + 0.1 * torch.randn(D)

writer = gguf.GGUFWriter(out + "/tiny-llama.gguf", "llama")
for key, value in dict(embedding_length=D, block_count=L, feed_forward_length=F, context_length=64).items():
    writer.add_uint32("llama." + key, value)
writer.add_uint32("llama.attention.head_count", H)
writer.add_uint32("llama.attention.head_count_kv", KV)
writer.add_uint32("llama.rope.dimension_count", HD)
writer.add_float32("llama.attention.layer_norm_rms_epsilon", EPS)
writer.add_float32("llama.rope.freq_base", BASE)
writer.add_tensor("token_embd.weight", table.numpy())
writer.add_tensor("output_norm.weight", last.numpy())
for i, layer in enumerate(layers):
    for name, value in layer.items():
        writer.add_tensor(f"blk.{i}.{name}.weight", value.numpy())
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()

# Adapters: A uniform, B zero. The order is that of the parameters in memory: for each layer q, k, v (A), q, k, v (B^T), …
LINEARS = [("attn_q", "attn_k", "attn_v"), ("attn_output",), ("ffn_gate", "ffn_up"), ("ffn_down",)]
adapters, flat = [], []
for layer in layers:
    own = {}
    for group in LINEARS:
        for name in group:
            n, k = layer[name].shape
            own[name] = [(torch.rand(R, k) * 2 - 1) / k ** 0.5, torch.zeros(n, R)]
        flat += [own[name][0].flatten() for name in group] + [own[name][1].T.flatten() for name in group]
    adapters.append(own)
start = torch.cat(flat).numpy()
trained = [t.requires_grad_() for own in adapters for pair in own.values() for t in pair]

# The file's rotary order: pairs (2i, 2i + 1).
freqs = BASE ** (-torch.arange(0, HD, 2).float() / HD)


def rotate(x):  # [tokens, heads, HD]
    angle = torch.arange(x.shape[0]).float()[:, None] * freqs
    cos, sin = angle.cos()[:, None], angle.sin()[:, None]
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2)


def norm(x, w):
    return x / (x.pow(2).mean(-1, keepdim=True) + EPS).sqrt() * w


def logits(ids, soft=None, at=0):
    x = table[ids]
    if soft is not None:
        x = torch.cat([x[:at], soft, x[at + len(soft):]])
    n = len(ids)
    mask = torch.full((n, n), float("-inf")).triu(1)
    for layer, own in zip(layers, adapters):
        def linear(name, y):
            a, b = own[name]
            return y @ layer[name].T + ALPHA / R * (y @ a.T) @ b.T
        y = norm(x, layer["attn_norm"])
        q = rotate(linear("attn_q", y).view(n, H, HD))
        k = rotate(linear("attn_k", y).view(n, KV, HD)).repeat_interleave(H // KV, 1)
        v = linear("attn_v", y).view(n, KV, HD).repeat_interleave(H // KV, 1)
        p = (torch.einsum("qhd,khd->hqk", q, k) / HD ** 0.5 + mask).softmax(-1)
        x = x + linear("attn_output", torch.einsum("hqk,khd->qhd", p, v).reshape(n, D))
        y = norm(x, layer["ffn_norm"])
        x = x + linear("ffn_down", torch.nn.functional.silu(linear("ffn_gate", y)) * linear("ffn_up", y))
    return norm(x, last) @ table.T


rng = np.random.default_rng(5)
examples = [rng.integers(0, V, size=int(n)).astype(np.int32) for n in rng.integers(5, 14, size=12)]
firsts = np.array([max(1, len(e) - 4) for e in examples], np.int32)
optimiser = torch.optim.AdamW(trained, lr=1e-2, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01)
STEPS, WARM = 50, 5
losses, norms = [], []
for step in range(1, STEPS + 1):
    rate = 1e-2 * (step / WARM if step <= WARM else 0.5 * (1 + np.cos(np.pi * (step - WARM) / (STEPS - WARM))))
    for group in optimiser.param_groups:
        group["lr"] = rate
    picked = [(step * 3 + i) % len(examples) for i in range(3)]
    total, count = 0.0, 0
    for p in picked:
        ids = torch.tensor(examples[p].astype(np.int64))
        f = int(firsts[p])
        total = total + torch.nn.functional.cross_entropy(logits(ids)[f - 1:-1], ids[f:], reduction="sum")
        count += len(ids) - f
    loss = total / count
    optimiser.zero_grad()
    loss.backward()
    norms.append(float(torch.nn.utils.clip_grad_norm_(trained, 1.0)))
    optimiser.step()
    losses.append(float(loss))

save_file(dict(start=start, ids=np.concatenate(examples), lengths=np.array([len(e) for e in examples], np.int32), firsts=firsts,
               losses=np.array(losses, np.float32), norms=np.array(norms, np.float32),
               final_q_a=adapters[0]["attn_q"][0].detach().numpy().copy(), final_q_b_turned=adapters[0]["attn_q"][1].detach().T.contiguous().numpy().copy()),
          out + "/lora.safetensors")
print(losses[0], losses[-1], norms[0])

# Soft tokens trained jointly with the adapters: 3 rows of 6 stand at tokens 1 to 3 of every example; each set of parameters is clipped by itself.
with torch.no_grad():
    at = 0
    for own in adapters:
        for group in LINEARS:
            for which in (0, 1):
                for name in group:
                    t = own[name][which]
                    piece = torch.from_numpy(start[at:at + t.numel()].copy())
                    t.copy_(piece.view(t.shape) if which == 0 else piece.view(t.shape[1], t.shape[0]).T)
                    at += t.numel()
soft = torch.from_numpy(np.random.default_rng(9).standard_normal((6, D)).astype(np.float32)).requires_grad_()
soft_start = soft.detach().numpy().copy()
optimiser = torch.optim.AdamW(trained + [soft], lr=1e-2, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01)
soft_losses, soft_norms = [], []
for step in range(1, STEPS + 1):
    rate = 1e-2 * (step / WARM if step <= WARM else 0.5 * (1 + np.cos(np.pi * (step - WARM) / (STEPS - WARM))))
    for group in optimiser.param_groups:
        group["lr"] = rate
    total, count = 0.0, 0
    for p in [(step * 3 + i) % len(examples) for i in range(3)]:
        ids, f = torch.tensor(examples[p].astype(np.int64)), max(int(firsts[p]), 4)
        row = 3 * (p % 2)
        total = total + torch.nn.functional.cross_entropy(logits(ids, soft[row:row + 3], 1)[f - 1:-1], ids[f:], reduction="sum")
        count += len(ids) - f
    loss = total / count
    optimiser.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(trained, 1.0)
    soft_norms.append(float(torch.nn.utils.clip_grad_norm_([soft], 1.0)))
    optimiser.step()
    soft_losses.append(float(loss))
save_file(dict(soft=soft_start, losses=np.array(soft_losses, np.float32), norms=np.array(soft_norms, np.float32)), out + "/soft.safetensors")
print(soft_losses[0], soft_losses[-1], soft_norms[0])
