#!/usr/bin/env python3
# stage1.py - loss curves of the first stage on the tiny MQ-Formers of mq_former.py, by PyTorch in float64
#
# 50 steps of AdamW for each loss alone and for all together: what golden/stage1.c must follow.
#
#   python3 tests/golden/scripts/stage1.py tests/golden/data
#
# SPDX-License-Identifier: GPL-3.0-or-later
import math
import sys

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file

from mq_former import COMPACT, FULL, make_weights
from mq_former_train import BLIND, CAUSAL, JOINT, Network

STEPS, WARM, DECAY, B, CONTRAST, SMOOTH, TAU = 50, 5, 0.05, 3, 16, 0.1, 0.06
# Small enough that rounding stays rounding over 50 steps: the tied word table of the full layout amplifies it most.
RATES = {'full': 1e-4, 'compact': 5e-4}
NAMES = ['itc', 'itm', 'icg', 'msp', 'align']


def make_heads(c, rng):
    f = lambda *shape, scale=1.0: (rng.standard_normal(shape) * scale).astype(np.float32)
    d, t, v = c['width'], c['table_width'], c['vocabulary']
    return {'stage1.visual_projection.weight': f(CONTRAST, d, scale=d ** -0.5), 'stage1.visual_projection.bias': f(CONTRAST, scale=0.1),
            'stage1.text_projection.weight': f(CONTRAST, d, scale=d ** -0.5), 'stage1.text_projection.bias': f(CONTRAST, scale=0.1),
            'stage1.match.weight': f(2, d, scale=d ** -0.5), 'stage1.match.bias': f(2, scale=0.1), 'stage1.temperature': np.array([0.07], np.float32),
            'stage1.word_dense.weight': f(t, d, scale=d ** -0.5), 'stage1.word_dense.bias': f(t, scale=0.1),
            'stage1.word_norm.weight': 1 + f(t, scale=0.1), 'stage1.word_norm.bias': f(t, scale=0.1), 'stage1.word_bias': f(v, scale=0.1)}


def smoothed(logits, target, smoothing):
    return F.cross_entropy(logits, target, label_smoothing=smoothing)


def losses(net, weights, batch, negatives, words, centre):
    """@batch: dicts with image, local, text, caption, caption_targets, masked, masked_targets, align."""
    out = dict.fromkeys(NAMES, torch.zeros((), dtype=torch.float64))
    queries, captions, maskeds, targets, hidden, firsts = [], [], [], [], [], []
    for e in batch:
        rows, texts = net.run(e['image'], e['local'], [(CAUSAL, e['caption'], range(len(e['caption']))), (BLIND, e['masked'], range(len(e['masked'])))])
        queries.append(rows)
        captions += [texts[0][i] for i, t in enumerate(e['caption_targets']) if t >= 0]
        targets += [t for t in e['caption_targets'] if t >= 0]
        maskeds += [texts[1][i] for i, t in enumerate(e['masked_targets']) if t >= 0]
        hidden += [t for t in e['masked_targets'] if t >= 0]
    n = len(batch)
    if weights['itc']:
        for e in batch:
            firsts.append(net.run(None, [], [(JOINT, e['text'], range(len(e['text'])))])[1][0][0])
        t = F.normalize(net.linear('stage1.text_projection', torch.stack(firsts)), dim=-1)
        scores = torch.stack([(F.normalize(net.linear('stage1.visual_projection', q), dim=-1) @ t.T).max(0).values for q in queries]) / net.w['stage1.temperature']
        own = torch.arange(n)
        out['itc'] = 0.5 * (smoothed(scores, own, SMOOTH) + smoothed(scores.T, own, SMOOTH))
    if weights['itm']:
        pairs = [(i, i) for i in range(n)] + [(p, i) for i, (p, _) in enumerate(negatives)] + [(i, t) for i, (_, t) in enumerate(negatives)]
        logits = [net.linear('stage1.match', net.run(batch[p]['image'], batch[p]['local'], [(JOINT, batch[t]['text'], range(len(batch[t]['text'])))])[0]).mean(0)
                  for p, t in pairs]
        out['itm'] = F.cross_entropy(torch.stack(logits), torch.tensor([1] * n + [0] * 2 * n))

    def head(rows):
        x = F.gelu(net.linear('stage1.word_dense', torch.stack(rows)))
        x = F.layer_norm(x, x.shape[-1:], net.w['stage1.word_norm.weight'], net.w['stage1.word_norm.bias'], net.c['eps'])
        return x @ net.w['token_embd.weight'].T + net.w['stage1.word_bias']
    if weights['icg']:
        out['icg'] = smoothed(head(captions), torch.tensor(targets), SMOOTH)
    if weights['msp'] and maskeds:
        out['msp'] = smoothed(head(maskeds), torch.tensor(hidden), SMOOTH)
    if weights['align']:
        rows = [q[i] for q, e in zip(queries, batch) for i, w in enumerate(e['align']) if w >= 0]
        wanted = [w for e in batch for w in e['align'] if w >= 0]
        soft = F.normalize(net.soft(torch.stack(rows)) - centre, dim=-1)
        out['align'] = F.cross_entropy(soft @ F.normalize(words, dim=-1).T / TAU, torch.tensor(wanted))
    return out


def curve(c, rate, seed, heads, weights, pool, draws, words, centre):
    net = Network(c, {**make_weights(c, seed), **heads})
    matrices = [v for k, v in net.w.items() if v.requires_grad and v.ndim > 1]
    vectors = [v for k, v in net.w.items() if v.requires_grad and v.ndim == 1]
    optimiser = torch.optim.AdamW([{'params': matrices, 'weight_decay': DECAY}, {'params': vectors, 'weight_decay': 0.0}], betas=(0.9, 0.999), eps=1e-8)
    found = []
    for step in range(1, STEPS + 1):
        for group in optimiser.param_groups:
            group['lr'] = rate * (step / WARM if step <= WARM else 0.5 * (1 + math.cos(math.pi * (step - WARM) / (STEPS - WARM))))
        batch = [pool[(step * B + i) % len(pool)] for i in range(B)]
        out = losses(net, weights, batch, draws[step - 1], words, centre)
        total = sum(weights[k] * v for k, v in out.items())
        optimiser.zero_grad(set_to_none=False)
        total.backward()
        for p in matrices + vectors:
            if p.grad is None:
                p.grad = torch.zeros_like(p)
        torch.nn.utils.clip_grad_norm_(matrices + vectors, 1.0)
        optimiser.step()
        found.append([float(out[k].detach()) for k in NAMES])
    return np.array(found, np.float32)


def main(folder):
    for name, c, seed in (('full', FULL, 1), ('compact', COMPACT, 2)):
        rng = np.random.default_rng(60 + seed)
        f32 = lambda *shape: rng.standard_normal(shape).astype(np.float32)
        nv = c['grid'][0] * c['grid'][1] if c['grid'] else 17
        last, n_words = c['vocabulary'] + c['special'], 7
        heads = make_heads(c, rng)
        words, centre = f32(n_words, c['llm_width']), 0.1 * f32(c['llm_width'])
        golden = {'rate': np.array([RATES[name]], np.float32), 'words': words, 'centre': centre, **{'start.' + k: v for k, v in heads.items()}}
        pool = []
        for i in range(7):
            objects = int(rng.integers(0, 4))
            existing = c['visual'] + (min(c['per_object'] * objects, c['grounding']) if c['per_object'] else c['grounding'])
            image, local = f32(nv, c['visual_width']), f32(objects, c['local_width'])
            ids = lambda n: rng.integers(0, last, n).astype(np.int32)
            wanted = lambda n, share: np.where(rng.random(n) < share, rng.integers(0, c['vocabulary'], n), -1).astype(np.int32)
            e = {'text': ids(int(rng.integers(3, 7))), 'caption': ids(6), 'caption_targets': np.concatenate([[-1, -1], wanted(4, 1.0)]).astype(np.int32),
                 'masked': ids(5), 'masked_targets': wanted(5, 0.4 if i else 0.0), 'align': np.where(rng.random(existing) < 0.7, rng.integers(0, n_words, existing), -1).astype(np.int32)}
            golden[f'image.{i}'] = image
            if objects:
                golden[f'local.{i}'] = local
            golden.update({f'{k}.{i}': v for k, v in e.items()})
            e = {k: [int(x) for x in v] for k, v in e.items()}
            pool.append(dict(e, image=torch.from_numpy(image).double(), local=torch.from_numpy(local).double()))
        draws = np.array([[[(i + 1 + rng.integers(0, B - 1)) % B, (i + 1 + rng.integers(0, B - 1)) % B] for i in range(B)] for _ in range(STEPS)], np.int32)
        golden['draws'] = draws
        plain = (torch.from_numpy(words).double(), torch.from_numpy(centre).double())
        for kind in (NAMES + ['all'] if name == 'compact' else ['all']):
            weights = {k: float(kind in (k, 'all')) for k in NAMES}
            golden['curve.' + kind] = curve(c, RATES[name], seed, heads, weights, pool, [[tuple(int(x) for x in p) for p in d] for d in draws], *plain)
            print(name, kind, golden['curve.' + kind][0], golden['curve.' + kind][-1], flush=True)
        save_file(golden, f'{folder}/stage1-{name}.safetensors')


if __name__ == '__main__':
    torch.set_num_threads(1)
    main(sys.argv[1])
