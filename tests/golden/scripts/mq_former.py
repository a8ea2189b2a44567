#!/usr/bin/env python3
# mq_former.py - tiny MQ-Formers with random weights, both layouts, and their outputs in float64
#
# Needs numpy, torch, gguf, safetensors, and transformers for the cross-check: the block without the
# second cross-attention is InstructBLIP's querying transformer, so its outputs must agree.
#
#   python3 tests/golden/scripts/mq_former.py tests/golden/data
#
# SPDX-License-Identifier: GPL-3.0-or-later
import math
import sys

import gguf
import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file

FULL = dict(width=32, layers=4, heads=2, ffn=64, visual=4, grounding=6, visual_width=24, local_width=13, llm_width=40,
            positions=12, vocabulary=50, table_width=32, special=0, every=2, eps=1e-12, per_object=0, grid=None, soft_norm=False, bound=False)
COMPACT = dict(width=32, layers=3, heads=2, ffn=48, visual=2, grounding=9, visual_width=20, local_width=21, llm_width=24,
               positions=10, vocabulary=60, table_width=24, special=4, every=2, eps=1e-12, per_object=3, grid=(3, 3), soft_norm=True, bound=True)


def bound_mask(c, queries, objects):
    """Each group of grounding queries sees its own object's row alone."""
    if not c['bound']:
        return None
    owner, row = torch.arange(queries)[:, None] // c['per_object'], torch.arange(objects)[None]
    return (owner != row).double() * -10000.0


def make_weights(c, seed):
    rng = np.random.default_rng(seed)
    w = {}

    def matrix(name, rows, cols, bias=True, scale=1.6):
        w[name + '.weight'] = (rng.standard_normal((rows, cols)) * scale / math.sqrt(cols)).astype(np.float32)
        if bias:
            w[name + '.bias'] = (rng.standard_normal(rows) * 0.2).astype(np.float32)

    def norm(name, n):
        w[name + '.weight'] = (1 + 0.3 * rng.standard_normal(n)).astype(np.float32)
        w[name + '.bias'] = (0.2 * rng.standard_normal(n)).astype(np.float32)

    d = c['width']
    w['query_tokens'] = rng.standard_normal((c['visual'] + c['grounding'], d)).astype(np.float32)
    w['token_embd.weight'] = rng.standard_normal((c['vocabulary'], c['table_width'])).astype(np.float32)
    if c['table_width'] != d:
        matrix('embedding_projection', d, c['table_width'], bias=False)
    if c['special']:
        w['special_embd.weight'] = rng.standard_normal((c['special'], d)).astype(np.float32)
    w['position_embd.weight'] = (0.5 * rng.standard_normal((c['positions'], d))).astype(np.float32)
    norm('embd_norm', d)
    for i in range(c['layers']):
        blocks = [('attn', d)]
        if i % c['every'] == 0:
            blocks += [('visual', c['visual_width']), ('local', c['local_width'])]
        for kind, wide in blocks:
            matrix(f'blk.{i}.{kind}_q', d, d)
            matrix(f'blk.{i}.{kind}_k', d, wide)
            matrix(f'blk.{i}.{kind}_v', d, wide)
            matrix(f'blk.{i}.{kind}_o', d, d)
            norm(f'blk.{i}.{kind}_norm', d)
        for kind in ('query_ffn', 'ffn'):
            matrix(f'blk.{i}.{kind}_up', c['ffn'], d)
            matrix(f'blk.{i}.{kind}_down', d, c['ffn'])
            norm(f'blk.{i}.{kind}_norm', d)
    matrix('language_projection', c['llm_width'], d)
    if c['soft_norm']:
        w['soft_norm.weight'] = np.full(c['llm_width'], 0.1007, np.float32)
        w['soft_norm.bias'] = (0.05 * rng.standard_normal(c['llm_width'])).astype(np.float32)
    return w


def sine_positions(height, width, d, base=10000.0):
    """[height*width, d]: a quarter each of sin y, cos y, sin x, cos x over falling frequencies."""
    q = d // 4
    omega = base ** (-torch.arange(q, dtype=torch.float64) / q)
    y = torch.arange(height, dtype=torch.float64)[:, None, None] * omega
    x = torch.arange(width, dtype=torch.float64)[None, :, None] * omega
    y, x = y.expand(height, width, q), x.expand(height, width, q)
    return torch.cat([y.sin(), y.cos(), x.sin(), x.cos()], -1).reshape(height * width, d)


class Former:
    def __init__(self, c, weights):
        self.c = c
        self.w = {k: torch.from_numpy(v).double() for k, v in weights.items()}

    def linear(self, name, x):
        return F.linear(x, self.w[name + '.weight'], self.w.get(name + '.bias'))

    def norm(self, name, x):
        return F.layer_norm(x, x.shape[-1:], self.w[name + '.weight'], self.w[name + '.bias'], self.c['eps'])

    def attend(self, name, x, keys, mask=None, positions=None):
        h = self.c['heads']
        q, k, v = self.linear(name + '_q', x), self.linear(name + '_k', keys), self.linear(name + '_v', keys)
        if positions is not None:
            k, v = k + positions, v + positions
        split = lambda t: t.reshape(t.shape[0], h, -1).transpose(0, 1)
        scores = split(q) @ split(k).transpose(1, 2) / math.sqrt(q.shape[1] // h)
        if mask is not None:
            scores = scores + mask
        context = (scores.softmax(-1) @ split(v)).transpose(0, 1).reshape(x.shape[0], -1)
        return self.norm(name + '_norm', self.linear(name + '_o', context) + x)

    def feed(self, name, x):
        return self.norm(name + '_norm', self.linear(name + '_down', F.gelu(self.linear(name + '_up', x))) + x)

    def run(self, image, local, text, taps=None):
        c, w = self.c, self.w
        nv, nq = c['visual'], c['visual'] + c['grounding']
        x = w['query_tokens']
        if len(text):
            rows = []
            for t in text:
                if t >= c['vocabulary']:
                    rows.append(w['special_embd.weight'][t - c['vocabulary']])
                else:
                    row = w['token_embd.weight'][t]
                    rows.append(F.linear(row, w['embedding_projection.weight']) if c['table_width'] != c['width'] else row)
            x = torch.cat([x, torch.stack(rows) + w['position_embd.weight'][:len(text)]])
        x = self.norm('embd_norm', x)
        mask = None
        if c['per_object']:
            present = torch.ones(x.shape[0], dtype=torch.float64)
            for i in range(c['grounding']):
                if i // c['per_object'] >= local.shape[0]:
                    present[nv + i] = 0
            mask = ((1 - present) * -10000.0)[None, None, :]
        positions = sine_positions(*c['grid'], c['width']) if c['grid'] else None
        if taps is not None:
            taps['embeddings'] = x
        for i in range(c['layers']):
            b = f'blk.{i}.'
            x = self.attend(b + 'attn', x, x, mask)
            q, t = x[:nq], x[nq:]
            if i % c['every'] == 0:
                v = self.attend(b + 'visual', q[:nv], image, positions=positions)
                g = q[nv:]
                if local.shape[0] and g.shape[0]:
                    g = self.attend(b + 'local', g, local, bound_mask(c, len(g), len(local)))
                q = torch.cat([v, g])
            q = self.feed(b + 'query_ffn', q)
            x = torch.cat([q, self.feed(b + 'ffn', t)]) if len(t) else q
            if taps is not None:
                taps[f'blk.{i}'] = x
        out = x[:nq]
        soft = self.linear('language_projection', out)
        if c['soft_norm']:
            soft = F.layer_norm(soft, soft.shape[-1:], w['soft_norm.weight'], w['soft_norm.bias'], 1e-5)
        return out, soft


def cross_check():
    """All queries visual: exactly InstructBLIP's block, whose code is not ours."""
    from transformers import InstructBlipQFormerConfig
    from transformers.models.instructblip.modeling_instructblip import InstructBlipQFormerModel
    c = dict(FULL, visual=10, grounding=0)
    weights = make_weights(c, 5)
    theirs = InstructBlipQFormerModel(InstructBlipQFormerConfig(
        vocab_size=c['vocabulary'], hidden_size=c['width'], num_hidden_layers=c['layers'], num_attention_heads=c['heads'],
        intermediate_size=c['ffn'], max_position_embeddings=c['positions'], layer_norm_eps=c['eps'], cross_attention_frequency=c['every'],
        encoder_hidden_size=c['visual_width'], hidden_act='gelu')).double().eval()
    names = {'attn': 'attention', 'visual': 'crossattention'}
    state = {'embeddings.word_embeddings.weight': 'token_embd.weight', 'embeddings.position_embeddings.weight': 'position_embd.weight',
             'embeddings.layernorm.weight': 'embd_norm.weight', 'embeddings.layernorm.bias': 'embd_norm.bias'}
    for i in range(c['layers']):
        for part in ('weight', 'bias'):
            for ours, name in names.items():
                for a, b in (('q', 'attention.query'), ('k', 'attention.key'), ('v', 'attention.value'), ('o', 'output.dense'), ('norm', 'output.LayerNorm')):
                    state[f'encoder.layer.{i}.{name}.{b}.{part}'] = f'blk.{i}.{ours}_{a}.{part}'
            for ours, tail in (('ffn', ''), ('query_ffn', '_query')):
                for a, b in (('up', f'intermediate{tail}.dense'), ('down', f'output{tail}.dense'), ('norm', f'output{tail}.LayerNorm')):
                    state[f'encoder.layer.{i}.{b}.{part}'] = f'blk.{i}.{ours}_{a}.{part}'
    state = {k: torch.from_numpy(weights[v]).double() for k, v in state.items() if v in weights}
    missing, unexpected = theirs.load_state_dict(state, strict=False)
    assert not unexpected and not [m for m in missing if 'position_ids' not in m], (missing, unexpected)
    rng = np.random.default_rng(6)
    image = torch.from_numpy(rng.standard_normal((17, c['visual_width'])))
    text = [3, 49, 7]
    taps = {}
    ours, _ = Former(c, weights).run(image, torch.zeros(0, c['local_width'], dtype=torch.float64), text, taps)
    with torch.no_grad():
        out = theirs(input_ids=torch.tensor([text]), query_embeds=torch.from_numpy(weights['query_tokens']).double()[None],
                     attention_mask=torch.ones(1, 13), encoder_hidden_states=image[None],
                     encoder_attention_mask=torch.ones(1, 17)).last_hidden_state[0]
    error = ((out - taps[f"blk.{c['layers'] - 1}"]) ** 2).sum() / (out ** 2).sum()
    assert error < 1e-12, float(error)
    print(f'InstructBLIP block: NMSE {float(error):.2e}')


# The connector's own keys, for the compact file: rows of 4 features, box, one octave, score, colour, rank = 21.
FEATURES, OCTAVES, MAX_OBJECTS = 4, 1, 5


def make_statistics(c, seed):
    rng = np.random.default_rng(seed)
    f32 = lambda x: x.astype(np.float32)
    return {'local_mean': f32(rng.standard_normal(c['local_width'])), 'local_deviation': f32(rng.uniform(0.2, 3, c['local_width'])),
            'visual_mean': f32(rng.standard_normal(c['visual_width'])), 'visual_deviation': f32(rng.uniform(0.2, 3, c['visual_width']))}


def local_rows(statistics, size, boxes, scores, colors, features):
    """Rows as compute/lyrics/connector.h lists them, standardised; a box is x0 y0 x1 y1 in pixels of the picture."""
    width, height = size
    rank = np.argsort(np.argsort(boxes[:, 0] + boxes[:, 2], kind='stable'), kind='stable')
    rows = []
    for i, (x0, y0, x1, y1) in enumerate(boxes.astype(np.float64)):
        box = np.array([(x0 + x1) / 2 / width, (y0 + y1) / 2 / height, (x1 - x0) / width, (y1 - y0) / height])
        waves = [w(2 ** k * math.pi * box) for k in range(OCTAVES) for w in (np.sin, np.cos)]
        rows.append(np.concatenate([features[i], box, *waves, [scores[i]], colors[i], [rank[i]]]))
    return (np.array(rows) - statistics['local_mean']) / statistics['local_deviation']


def scene_case(golden, former, c, statistics):
    rng = np.random.default_rng(9)
    n = 6  # one below the threshold, one with too little space left for it
    size = (640, 480)
    corner = rng.uniform(0, 300, (n, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(10, 170, (n, 2))], 1).astype(np.float32)
    scores = np.array([0.9, 0.8, 0.7, 0.45, 0.6, 0.55], np.float32)
    colors, features = rng.uniform(0, 1, (n, 3)).astype(np.float32), rng.standard_normal((n, FEATURES)).astype(np.float32)
    image = rng.standard_normal((9, c['visual_width'])).astype(np.float32)
    told = [i for i in range(n) if scores[i] >= 0.5][:MAX_OBJECTS]
    local = local_rows(statistics, size, boxes[told], scores[told], colors[told], features[told])
    standard = (image - statistics['visual_mean'].astype(np.float64)) / statistics['visual_deviation']
    _, soft = former.run(torch.from_numpy(standard), torch.from_numpy(local), [])
    golden.update({'scene.boxes': boxes, 'scene.scores': scores, 'scene.colors': colors, 'scene.features': features, 'scene.image_tokens': image,
                   'scene.local_tokens': local.astype(np.float32), 'scene.soft_tokens': soft.numpy().astype(np.float32)})


def write_gguf(path, c, weights, llm=None, statistics=None):
    out = gguf.GGUFWriter(path, 'mq-former')
    out.add_string('general.name', 'tiny random MQ-Former, a test')
    for key, value in (('width', c['width']), ('layers', c['layers']), ('heads', c['heads']), ('feed_forward', c['ffn']),
                       ('visual_queries', c['visual']), ('grounding_queries', c['grounding']), ('visual_width', c['visual_width']),
                       ('local_width', c['local_width']), ('llm_width', c['llm_width']), ('positions', c['positions']),
                       ('vocabulary', c['vocabulary']), ('table_width', c['table_width']), ('special_rows', c['special']),
                       ('cross_attention_every', c['every']), ('queries_per_object', c['per_object'])):
        out.add_uint32('mq-former.' + key, value)
    out.add_float32('mq-former.layer_norm_epsilon', c['eps'])
    out.add_bool('mq-former.soft_token_norm', c['soft_norm'])
    if c['bound']:
        out.add_bool('mq-former.local_bound', True)
    if c['soft_norm']:
        out.add_float32('mq-former.soft_token_norm_epsilon', 1e-5)
    if c['grid']:
        out.add_array('mq-former.visual_grid', list(c['grid']))
    out.add_string('mq-former.words', 'llm' if llm else 'own')
    if statistics:
        out.add_bool('general.untrained', True)
        out.add_string('connector.local', 'objects')
        out.add_uint32('connector.feature_width', FEATURES)
        out.add_uint32('connector.fourier_octaves', OCTAVES)
        out.add_uint32('connector.max_objects', MAX_OBJECTS)
        out.add_string('connector.llm', 'tiny word table, a test')
        for key, value in statistics.items():
            out.add_array('connector.' + key, [float(x) for x in value])
    for name, value in weights.items():
        if not (llm and name == 'token_embd.weight'):
            out.add_tensor(name, value)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()
    if llm:
        words = gguf.GGUFWriter(llm, 'llama')
        words.add_string('general.name', 'tiny word table, a test')
        words.add_tensor('token_embd.weight', weights['token_embd.weight'])
        words.write_header_to_file()
        words.write_kv_data_to_file()
        words.write_tensors_to_file()
        words.close()


def case(golden, name, former, image, local, text):
    taps = {}
    out, soft = former.run(torch.from_numpy(image).double(), torch.from_numpy(local).double(), text, taps)
    golden[name + '.image_tokens'] = image
    if len(local):
        golden[name + '.local_tokens'] = local
    if len(text):
        golden[name + '.input_ids'] = np.array(text, np.int32)
    golden[name + '.query_output'] = out.numpy().astype(np.float32)
    golden[name + '.soft_tokens'] = soft.numpy().astype(np.float32)
    for key, value in taps.items():
        golden[f'{name}.tap.{key}'] = value.numpy().astype(np.float32)


def main(folder):
    cross_check()
    rng = np.random.default_rng(7)
    f32 = lambda *shape: rng.standard_normal(shape).astype(np.float32)
    for name, c, seed in (('full', FULL, 1), ('compact', COMPACT, 2)):
        weights = make_weights(c, seed)
        former = Former(c, weights)
        statistics = make_statistics(c, 3) if name == 'compact' else None
        write_gguf(f'{folder}/mq-former-{name}.gguf', c, weights, f'{folder}/mq-former-words.gguf' if name == 'compact' else None, statistics)
        golden = {}
        if name == 'full':
            case(golden, 'plain', former, f32(17, c['visual_width']), f32(23, c['local_width']), [])
            case(golden, 'text', former, f32(17, c['visual_width']), f32(23, c['local_width']), [1, 49, 0, 17, 8])
        else:
            n = c['grid'][0] * c['grid'][1]
            case(golden, 'all', former, f32(n, c['visual_width']), f32(3, c['local_width']), [])
            case(golden, 'one', former, f32(n, c['visual_width']), f32(1, c['local_width']), [])
            case(golden, 'more', former, f32(n, c['visual_width']), f32(7, c['local_width']), [])
            case(golden, 'none', former, f32(n, c['visual_width']), f32(0, c['local_width']), [])
            case(golden, 'text', former, f32(n, c['visual_width']), f32(2, c['local_width']), [60, 5, 59, 63])
            scene_case(golden, former, c, statistics)
        save_file(golden, f'{folder}/mq-former-{name}.safetensors')


if __name__ == '__main__':
    main(sys.argv[1])
