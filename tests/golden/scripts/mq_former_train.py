#!/usr/bin/env python3
# mq_former_train.py - gradients of the tiny MQ-Formers of mq_former.py, by PyTorch in float64
#
# One pass of several sequences (spec: one with queries, a causal and a blind text; one of text alone; one with a joint
# text; one without objects): the loss is sum (c * output) + sum (s * soft tokens), c and s random, on the rows that
# exist. The word head's loss is one more case. Gradients of all parameters go to a file that golden/mq-former-train.c reads.
#
#   python3 tests/golden/scripts/mq_former_train.py tests/golden/data
#
# SPDX-License-Identifier: GPL-3.0-or-later
import math
import sys

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file

from mq_former import COMPACT, FULL, bound_mask, make_weights, sine_positions

JOINT, BLIND, CAUSAL = 0, 1, 2


class Network:
    """As the C pass, but with absent objects masked and every sequence by itself."""
    def __init__(self, c, weights):
        self.c = c
        self.w = {k: torch.from_numpy(v).double() for k, v in weights.items()}
        for name, value in self.w.items():
            if not name.startswith('soft_norm') and not (c['per_object'] and name == 'token_embd.weight'):
                value.requires_grad_()

    def linear(self, name, x):
        return F.linear(x, self.w[name + '.weight'], self.w.get(name + '.bias'))

    def norm(self, name, x):
        return F.layer_norm(x, x.shape[-1:], self.w[name + '.weight'], self.w[name + '.bias'], self.c['eps'])

    def attend(self, name, x, keys, mask=None, places=None):
        h = self.c['heads']
        q, k, v = self.linear(name + '_q', x), self.linear(name + '_k', keys), self.linear(name + '_v', keys)
        if places is not None:
            k, v = k + places, v + places
        split = lambda t: t.reshape(t.shape[0], h, -1).transpose(0, 1)
        scores = split(q) @ split(k).transpose(1, 2) / math.sqrt(q.shape[1] // h)
        if mask is not None:
            scores = scores + mask
        return self.norm(name + '_norm', self.linear(name + '_o', (scores.softmax(-1) @ split(v)).transpose(0, 1).reshape(x.shape[0], -1)) + x)

    def feed(self, name, x):
        return self.norm(name + '_norm', self.linear(name + '_down', F.gelu(self.linear(name + '_up', x))) + x)

    def embed(self, ids, positions):
        c, w = self.c, self.w
        rows = []
        for t, p in zip(ids, positions):
            if t >= c['vocabulary']:
                row = w['special_embd.weight'][t - c['vocabulary']]
            else:
                row = w['token_embd.weight'][t]
                if c['table_width'] != c['width']:
                    row = F.linear(row, w['embedding_projection.weight'])
            rows.append(row + w['position_embd.weight'][p])
        return torch.stack(rows)

    def run(self, image, local, texts):
        """@texts: (kind, ids, positions). Returns query rows that exist, text rows of each text."""
        c, w = self.c, self.w
        nq = c['visual'] + c['grounding'] if image is not None else 0
        parts = [w['query_tokens']] if nq else []
        owner = [(-1, i) for i in range(nq)]
        for k, (kind, ids, positions) in enumerate(texts):
            parts.append(self.embed(ids, positions))
            owner += [(k, i) for i in range(len(ids))]
        there = nq
        if nq and c['per_object']:
            there = c['visual'] + min(c['per_object'] * len(local), c['grounding'])
        n = len(owner)
        mask = torch.zeros(n, n, dtype=torch.float64)
        for r, (a, i) in enumerate(owner):
            for q, (b, j) in enumerate(owner):
                if a < 0:
                    seen = b < 0 or texts[b][0] == JOINT
                elif b < 0:
                    seen = True
                elif a != b:
                    seen = texts[a][0] == JOINT and texts[b][0] == JOINT
                else:
                    seen = texts[a][0] != CAUSAL or j <= i
                if b < 0 and j >= there:
                    seen = False
                if not seen:
                    mask[r, q] = -10000.0
        x = self.norm('embd_norm', torch.cat(parts))
        places = sine_positions(*c['grid'], c['width']) if c['grid'] and nq else None
        for i in range(c['layers']):
            b = f'blk.{i}.'
            x = self.attend(b + 'attn', x, x, mask)
            q, t = x[:nq], x[nq:]
            if nq and i % c['every'] == 0:
                v = self.attend(b + 'visual', q[:c['visual']], image, places=places)
                g = q[c['visual']:]
                if len(local):
                    g = self.attend(b + 'local', g, local, bound_mask(c, len(g), len(local)))
                q = torch.cat([v, g])
            rows = [self.feed(b + 'query_ffn', q)] if nq else []
            if len(t):
                rows.append(self.feed(b + 'ffn', t))
            x = torch.cat(rows)
        out, at = [], nq
        for _, ids, _ in texts:
            out.append(x[at:at + len(ids)])
            at += len(ids)
        return x[:there], out

    def soft(self, rows):
        soft = self.linear('language_projection', rows)
        if self.c['soft_norm']:
            soft = F.layer_norm(soft, soft.shape[-1:], self.w['soft_norm.weight'], self.w['soft_norm.bias'], 1e-5)
        return soft


def main(folder):
    for name, c, seed in (('full', FULL, 1), ('compact', COMPACT, 2)):
        rng = np.random.default_rng(40 + seed)
        f32 = lambda *shape: rng.standard_normal(shape).astype(np.float32)
        net = Network(c, make_weights(c, seed))
        nv = c['grid'][0] * c['grid'][1] if c['grid'] else 17
        objects = [2, 1, 0]
        images, locals_ = [f32(nv, c['visual_width']) for _ in objects], [f32(n, c['local_width']) for n in objects]
        last = c['vocabulary'] + c['special'] - 1
        ids = lambda n: [int(x) for x in rng.integers(0, last + 1, n)]
        count = lambda n: list(range(n))
        sequences = [(0, [(CAUSAL, ids(6), count(6)), (BLIND, ids(5), [0, 1, 2, 1, 2])]), (-1, [(JOINT, ids(4), count(4))]), (1, [(JOINT, ids(3), count(3))]),
                     (2, []), (0, [(JOINT, ids(5), count(5))]), (-1, [(JOINT, ids(2), count(2))])]
        golden = {'objects': np.array(objects, np.int32)}
        for i, (image, local) in enumerate(zip(images, locals_)):
            golden[f'image.{i}'] = image
            if len(local):
                golden[f'local.{i}'] = local
        loss = 0.0
        for i, (picture, texts) in enumerate(sequences):
            image = torch.from_numpy(images[picture]).double() if picture >= 0 else None
            local = torch.from_numpy(locals_[picture]).double() if picture >= 0 else None
            queries, rows = net.run(image, local, texts)
            golden[f'sequence.{i}'] = np.array([picture] + [x for kind, t, _ in texts for x in (kind, len(t))], np.int32)
            for k, (kind, t, positions) in enumerate(texts):
                golden[f'ids.{i}.{k}'], golden[f'positions.{i}.{k}'] = np.array(t, np.int32), np.array(positions, np.int32)
                weight = f32(*rows[k].shape)
                golden[f'text_output.{i}.{k}'], golden[f'text_weight.{i}.{k}'] = rows[k].detach().numpy().astype(np.float32), weight
                loss = loss + (rows[k] * torch.from_numpy(weight).double()).sum()
            if picture >= 0:
                soft = net.soft(queries)
                weight, soft_weight = f32(*queries.shape), f32(*soft.shape) * (8 if c['soft_norm'] else 1)
                golden[f'query_output.{i}'], golden[f'query_weight.{i}'] = queries.detach().numpy().astype(np.float32), weight
                golden[f'soft_output.{i}'], golden[f'soft_weight.{i}'] = soft.detach().numpy().astype(np.float32), soft_weight.astype(np.float32)
                loss = loss + (queries * torch.from_numpy(weight).double()).sum() + (soft * torch.from_numpy(soft_weight.astype(np.float32)).double()).sum()
        loss.backward()
        for key, value in net.w.items():
            if value.requires_grad:
                grad = value.grad if value.grad is not None else torch.zeros_like(value)
                golden['gradient.' + key] = grad.numpy().astype(np.float32)
        save_file(golden, f'{folder}/mq-former-train-{name}.safetensors')
        print(name, float(loss.detach()))


if __name__ == '__main__':
    main(sys.argv[1])
