#!/usr/bin/env python3
# stage2.py - loss curves of the second stage on the tiny compact MQ-Former of mq_former.py and a tiny LLaMA, by PyTorch in float64
#
# 50 steps of AdamW on both sides at once, each clipped by itself; with queries alone and with the question in the former
# ("instructed"): what golden/stage2.c must follow. Writes stage2-llama.gguf and stage2.safetensors.
#
#   python3 tests/golden/scripts/stage2.py tests/golden/data
#
# SPDX-License-Identifier: GPL-3.0-or-later
import math
import sys

import gguf
import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file

from mq_former import COMPACT, make_weights
from mq_former_train import JOINT, Network

STEPS, WARM, TAU, ALIGN = 50, 5, 0.06, 0.3
DECAY = 0.05
# Of the former and of the adapters. Small enough that rounding stays rounding over 50 steps: AdamW's first update of a text row that
# few steps touch has the size of the rate, whatever the gradient's, and with it the sign of what may be rounding.
RATES = {'plain': (5e-4, 2e-3), 'instructed': (5e-5, 1e-3)}
L, H, KV, FFN, RANK, ALPHA, EPS, BASE = 2, 3, 1, 32, 4, 8.0, 1e-5, 10000.0
LINEARS = [('attn_q', 'attn_k', 'attn_v'), ('attn_output',), ('ffn_gate', 'ffn_up'), ('ffn_down',)]


class Llama:
    def __init__(self, table, rng):
        d = table.shape[1]
        self.d, self.hd = d, d // H
        m = lambda n, k: (rng.standard_normal((n, k)) / math.sqrt(k)).astype(np.float32)
        self.layers = [dict(attn_q=m(d, d), attn_k=m(KV * self.hd, d), attn_v=m(KV * self.hd, d), attn_output=m(d, d), ffn_gate=m(FFN, d), ffn_up=m(FFN, d), ffn_down=m(d, FFN),
                            attn_norm=(1 + 0.1 * rng.standard_normal(d)).astype(np.float32), ffn_norm=(1 + 0.1 * rng.standard_normal(d)).astype(np.float32)) for _ in range(L)]
        self.table, self.last = table, (1 + 0.1 * rng.standard_normal(d)).astype(np.float32)
        self.start = [{n: ((rng.random((RANK, w[n].shape[1])) * 2 - 1) / math.sqrt(w[n].shape[1])).astype(np.float32) for g in LINEARS for n in g} for w in self.layers]

    def write(self, path):
        writer = gguf.GGUFWriter(path, 'llama')
        for key, value in dict(embedding_length=self.d, block_count=L, feed_forward_length=FFN, context_length=64).items():
            writer.add_uint32('llama.' + key, value)
        writer.add_uint32('llama.attention.head_count', H)
        writer.add_uint32('llama.attention.head_count_kv', KV)
        writer.add_uint32('llama.rope.dimension_count', self.hd)
        writer.add_float32('llama.attention.layer_norm_rms_epsilon', EPS)
        writer.add_float32('llama.rope.freq_base', BASE)
        writer.add_tensor('token_embd.weight', self.table)
        writer.add_tensor('output_norm.weight', self.last)
        for i, layer in enumerate(self.layers):
            for name, value in layer.items():
                writer.add_tensor(f'blk.{i}.{name}.weight', value)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()

    def begin(self):
        """Fresh adapters; returns them flat."""
        t = lambda v: torch.from_numpy(v).double()
        self.w = [{k: t(v) for k, v in layer.items()} for layer in self.layers]
        self.a = [{n: t(v).requires_grad_() for n, v in own.items()} for own in self.start]
        self.b = [{n: torch.zeros(layer[n].shape[0], RANK, dtype=torch.float64).requires_grad_() for n in own} for layer, own in zip(self.layers, self.start)]
        return [p for side in (self.a, self.b) for own in side for p in own.values()]

    def flat(self):
        """In the order of the parameters in memory: for each group A of all parts, then B^T of each (zero)."""
        return np.concatenate([part for own, layer in zip(self.start, self.layers) for g in LINEARS
                               for part in [own[n].ravel() for n in g] + [np.zeros(RANK * layer[n].shape[0], np.float32) for n in g]])

    def rotate(self, x):
        freqs = BASE ** (-torch.arange(0, self.hd, 2).double() / self.hd)
        angle = torch.arange(x.shape[0]).double()[:, None] * freqs
        cos, sin = angle.cos()[:, None], angle.sin()[:, None]
        even, odd = x[..., 0::2], x[..., 1::2]
        return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2)

    def logits(self, x):
        n = len(x)
        norm = lambda v, w: v / (v.pow(2).mean(-1, keepdim=True) + EPS).sqrt() * w
        mask = torch.full((n, n), float('-inf'), dtype=torch.float64).triu(1)
        for w, a, b in zip(self.w, self.a, self.b):
            linear = lambda name, y: y @ w[name].T + ALPHA / RANK * (y @ a[name].T) @ b[name].T
            y = norm(x, w['attn_norm'])
            q = self.rotate(linear('attn_q', y).view(n, H, self.hd))
            k = self.rotate(linear('attn_k', y).view(n, KV, self.hd)).repeat_interleave(H // KV, 1)
            v = linear('attn_v', y).view(n, KV, self.hd).repeat_interleave(H // KV, 1)
            p = (torch.einsum('qhd,khd->hqk', q, k) / self.hd ** 0.5 + mask).softmax(-1)
            x = x + linear('attn_output', torch.einsum('hqk,khd->qhd', p, v).reshape(n, self.d))
            y = norm(x, w['ffn_norm'])
            x = x + linear('ffn_down', F.silu(linear('ffn_gate', y)) * linear('ffn_up', y))
        return norm(x, torch.from_numpy(self.last).double()) @ torch.from_numpy(self.table).double().T


def curve(c, llama, pool, texts, words, centre, rates, instructed):
    net = Network(c, make_weights(c, 2))
    adapters = llama.begin()
    table = torch.from_numpy(llama.table).double()
    matrices = [v for v in net.w.values() if v.requires_grad and v.ndim > 1]
    vectors = [v for v in net.w.values() if v.requires_grad and v.ndim == 1]
    former = torch.optim.AdamW([{'params': matrices, 'weight_decay': DECAY}, {'params': vectors, 'weight_decay': 0.0}], betas=(0.9, 0.999), eps=1e-8)
    lora = torch.optim.AdamW(adapters, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0)
    found = []
    for step in range(1, STEPS + 1):
        scale = step / WARM if step <= WARM else 0.5 * (1 + math.cos(math.pi * (step - WARM) / (STEPS - WARM)))
        for optimiser, rate in zip((former, lora), rates):
            for group in optimiser.param_groups:
                group['lr'] = rate * scale
        total, count, rows, wanted = 0.0, 0, [], []
        for i in range(2):
            e = pool[(2 * step + i) % len(pool)]
            sequences = [net.run(e['image'], e['local'], [(JOINT, t, range(len(t)))] if instructed else [])[0] for t in (e['instructions'] if instructed else [None])]
            for s in sequences:
                rows += [s[q] for q, w in enumerate(e['align']) if w >= 0]
                wanted += [w for w in e['align'] if w >= 0]
            for k, (ids, first, at) in enumerate(e['questions']):
                soft = net.soft(sequences[k if instructed else 0])
                x = torch.cat([table[ids[:at]], soft, table[ids[at:]]])
                total = total + F.cross_entropy(llama.logits(x)[first + len(soft) - 1:-1], torch.tensor(ids[first:]), reduction='sum')
                count += len(ids) - first
        ids, first = texts[step % len(texts)]
        total = total + F.cross_entropy(llama.logits(table[ids])[first - 1:-1], torch.tensor(ids[first:]), reduction='sum')
        count += len(ids) - first
        soft = F.normalize(net.soft(torch.stack(rows)) - centre, dim=-1)
        align = F.cross_entropy(soft @ F.normalize(words, dim=-1).T / TAU, torch.tensor(wanted))
        former.zero_grad(set_to_none=False)
        lora.zero_grad(set_to_none=False)
        (total / count + ALIGN * align).backward()
        for p in matrices + vectors:
            if p.grad is None:
                p.grad = torch.zeros_like(p)
        torch.nn.utils.clip_grad_norm_(matrices + vectors, 1.0)
        torch.nn.utils.clip_grad_norm_(adapters, 1.0)
        former.step()
        lora.step()
        found.append([float(total.detach()) / count, float(align.detach())])
    return np.array(found, np.float32)


def main(folder):
    c = COMPACT
    rng = np.random.default_rng(71)
    f32 = lambda *shape: rng.standard_normal(shape).astype(np.float32)
    llama = Llama(make_weights(c, 2)['token_embd.weight'], rng)
    llama.write(folder + '/stage2-llama.gguf')
    words, centre = f32(7, c['llm_width']), 0.1 * f32(c['llm_width'])
    golden = {'words': words, 'centre': centre, 'adapters': llama.flat()}
    pool, texts = [], []
    ids = lambda n, most: [int(i) for i in rng.integers(0, most, n)]
    for i in range(5):
        objects = int(rng.integers(0, 4))
        existing = c['visual'] + min(c['per_object'] * objects, c['grounding'])
        image, local = f32(c['grid'][0] * c['grid'][1], c['visual_width']), f32(objects, c['local_width'])
        e = {'image': torch.from_numpy(image).double(), 'local': torch.from_numpy(local).double(), 'questions': [], 'instructions': [],
             'align': [int(v) for v in np.where(rng.random(existing) < 0.7, rng.integers(0, 7, existing), -1)]}
        golden[f'image.{i}'], golden[f'align.{i}'] = image, np.array(e['align'], np.int32)
        if objects:
            golden[f'local.{i}'] = local
        for k in range(2):
            n = int(rng.integers(6, 10))
            e['questions'].append((ids(n, c['vocabulary']), n - int(rng.integers(2, 4)), int(rng.integers(0, 3))))
            e['instructions'].append(ids(int(rng.integers(2, 6)), c['vocabulary'] + c['special']))
            golden[f'ids.{i}.{k}'] = np.array(e['questions'][-1][0], np.int32)
            golden[f'places.{i}.{k}'] = np.array(e['questions'][-1][1:], np.int32)
            golden[f'instruction.{i}.{k}'] = np.array(e['instructions'][-1], np.int32)
        pool.append(e)
    for i in range(3):
        texts.append((ids(7, c['vocabulary']), 4))
        golden[f'text.{i}'] = np.array(texts[-1][0], np.int32)
    plain = (torch.from_numpy(words).double(), torch.from_numpy(centre).double())
    for name, instructed in (('plain', False), ('instructed', True)):
        golden['rates.' + name] = np.array(RATES[name], np.float32)
        golden['curve.' + name] = curve(c, llama, pool, texts, *plain, RATES[name], instructed)
        print(name, golden['curve.' + name][0], golden['curve.' + name][-1], flush=True)
    save_file(golden, folder + '/stage2.safetensors')


if __name__ == '__main__':
    torch.set_num_threads(1)
    main(sys.argv[1])
