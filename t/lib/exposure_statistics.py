"""What exposure records promise, checked over many of them.

    exposure_statistics.py REPLAY SHOP <LOG

SHOP is a JSON file that says what was so: pools, sets, pages, lines.  Which
items could have been shown is found from that, from the number of the page view
(its event) and from what stands in earlier slots; what a record says of panels
is not looked at.  REPLAY is tools/replay-exposure, for its hashes.

Prints a line for each claim: "ok - ..." or "not ok - ...".
"""

import importlib.machinery
import importlib.util
import json
import math
import sys

FAMILY_ERROR = 1e-6     # of all comparisons together
RUNG, RUNGS = 1.25, 120


def load(path):
    loader = importlib.machinery.SourceFileLoader('replay', path)
    module = importlib.util.module_from_spec(
        importlib.util.spec_from_loader('replay', loader))
    sys.dont_write_bytecode = True
    loader.exec_module(module)
    return module


class Comparison:
    """Sums of what was seen less what was to be expected; bounded by Freedman's
    inequality, as t/unit/unit_sums.h explains."""

    def __init__(self, most):
        self.most = most            # of one difference
        self.expected = self.variance = 0.0
        self.sums = {'right': 0.0, 'choice': 0.0, 'placed': 0.0}

    def expect(self, mean, square):
        self.expected += mean
        self.variance += square - mean * mean
        for way in self.sums:
            self.sums[way] -= mean

    def see(self, by):
        for way in self.sums:
            self.sums[way] += by[way]

    def bound(self, above, n):
        v, rungs = 1.0, 1
        while v < self.variance:
            v, rungs = v * RUNG, rungs + 1
        assert rungs <= RUNGS
        logs = math.log(2 * n * RUNGS / FAMILY_ERROR)
        r = (self.most if above else 1) * logs / 3
        return r + math.sqrt(r * r + 2 * v * logs)

    def excess(self, way, n):
        return abs(self.sums[way]) / self.bound(self.sums[way] > 0, n)


class Slot:
    """A slot's line, and what is compared there."""

    def __init__(self, line, slot, pool):
        self.slot, self.pool = slot, pool
        self.name, self.method = line['pool'], line['method']
        self.gate, self.panel = line['gate'], line['panel']
        self.salt = line['salt'].encode()

        weights = [self.weight(i) for i in pool]
        by = max(1, max(len(self.category(i)) for i in pool)
                 / self.panel) / self.gate
        self.ratio = (max(self.weight(i) / i['liking'] for i in pool)
                      * max(i['liking'] / self.weight(i) for i in pool) * by)
        all_of_panel = min(sum(weights), self.panel * max(weights))

        self.weights = {i['id']: Comparison(all_of_panel / self.weight(i) * by)
                        for i in pool}
        self.value = Comparison(self.ratio)

    def weight(self, item):
        return item['weight'] if self.method == 'weighted' else 1.0

    def category(self, item):
        """The items that are drawn from when this one is."""
        return [i for i in self.pool if self.method != 'diverse'
                or i['kind'] == item['kind']]

    def chances(self, allowed, earlier, kind):
        """N, m, the eligible ones."""
        members = [i for i in self.pool
                   if (self.name, i['id']) not in earlier
                   and (self.method != 'diverse' or i['kind'] == kind)]
        there = {name for _, name in earlier}
        eligible = [i for i in members
                    if i['id'] in allowed and i['id'] not in there]
        return len(members), min(self.panel, len(members)), eligible

    def square(self, item, size, panel, eligible):
        """The mean of 1/(gate p)^2, 0 where the item isn't drawn."""
        own = self.weight(item)
        others = (panel - 1) / (size - 1) if size > 1 else 0
        return size / panel / self.gate * (
            1 + (sum(map(self.weight, eligible)) - own) / own * others)


class Shop:

    def __init__(self, replay, shop):
        self.replay, self.shop = replay, shop
        self.slots = sorted(
            (Slot(line, slot, shop['pools'][line['pool']])
             for line in shop['lines'] for slot in line['slots']),
            key=lambda slot: slot.slot)
        self.slated = [s for s in self.slots if s.gate == 1]
        self.slate = Comparison(math.prod(s.ratio for s in self.slated))
        self.values = {}
        self.records = 0

    def view(self, n):
        """What the page view meets: allowed ids, length, the page."""
        shop = self.shop
        page = shop['pages'][n // 7 % len(shop['pages'])]
        watched = shop['watched'][n % len(shop['watched'])]
        stock = shop['stock'][n // 3 % len(shop['stock'])]
        stays = [i for i in page if i['id'] in stock
                 and i['id'] not in watched][:shop['limit']]
        allowed = {i['id'] for pool in shop['pools'].values() for i in pool
                   if i['id'] in stock and i['id'] not in watched}
        return (allowed - {i['id'] for i in stays}, len(stays),
                page[:shop['limit']])

    def grown(self, length, placed):
        """How long a shelf is once so many were placed on it."""
        return max(min(length + placed, self.shop['limit']), placed)

    def kinds(self, event, page):
        """For each diverse slot: the kind that the page shows least."""
        shows, kinds = [i['kind'] for i in page], {}
        for s in self.slots:
            if s.method == 'diverse':
                h = self.replay.hash_chain(s.salt, b'category', s.slot, event)
                kinds[s.slot] = min(
                    {i['kind'] for i in s.pool},
                    key=lambda kind: (shows.count(kind),
                                      self.replay.hash_bytes(h,
                                                             kind.encode())))
                shows.append(kinds[s.slot])
        return kinds

    def add(self, record):
        event = record['event'].encode()
        n = int(record['event'][1:])
        allowed, length, page = self.view(n)
        kinds = self.kinds(event, page)
        drawn = {i['slot']: i for i in record['shown']
                 if i['source'] == 'explore'}

        assert record['state'] == 'filtered' and record['cut'] == 0
        assert record['kept'] + record['explored'] == len(record['shown'])
        self.records += 1

        if self.slated[-1].slot <= self.grown(length,
                                              len(self.slated) - 1) + 1:
            self.add_slate(frozenset(allowed), kinds, drawn, event)

        earlier = []
        for s in self.slots:
            if s.slot <= self.grown(length, len(earlier)) + 1:
                item = self.add_slot(s, allowed, earlier, kinds.get(s.slot),
                                     drawn.get(s.slot), event)
                if item:
                    earlier.append((s.name, item['id']))
            else:
                assert s.slot not in drawn

        assert len(earlier) == len(drawn) == record['explored']

    def clicks(self, event, slot, item):
        h = self.replay.hash_chain(b'clicks', b'', slot, event)
        return h < item['clicks'] * (1 << 64)

    def add_slot(self, s, allowed, earlier, kind, said, event):
        size, panel, eligible = s.chances(allowed, earlier, kind)
        liking = sum(i['liking'] for i in eligible)
        mean = square = 0

        for i in eligible:
            squared = s.square(i, size, panel, eligible)
            s.weights[i['id']].expect(1, squared)
            other = i['liking'] / liking
            mean += other * i['clicks']
            square += other * other * i['clicks'] * squared

        if eligible:
            s.value.expect(mean, square)
        if not said:
            return None

        item, = [i for i in eligible if i['id'] == said['id']]
        placed = sum(pool == s.name for pool, _ in earlier)
        by = {'right': 1 / (s.gate * said['p']),
              'choice': 1 / (s.gate * said['choice']),
              'placed': (size + placed) / size / (s.gate * said['p'])}
        s.weights[item['id']].see(by)

        if self.clicks(event, s.slot, item):
            other = item['liking'] / liking
            s.value.see({way: other * by[way] for way in by})
        return item

    def add_slate(self, allowed, kinds, drawn, event):
        """The value of another policy's slates: that something is clicked."""
        key = allowed, tuple(sorted(kinds.items()))
        if key not in self.values:
            self.values[key] = self.slate_value(allowed, kinds, [], 1, 1, 1)
        self.slate.expect(*self.values[key])

        by = {'right': 1.0, 'choice': 1.0, 'placed': 1.0}
        earlier, clicked = [], False

        for s in self.slated:
            if s.slot not in drawn:
                return
            said = drawn[s.slot]
            eligible = s.chances(allowed, earlier, kinds.get(s.slot))[2]
            item, = [i for i in eligible if i['id'] == said['id']]
            other = item['liking'] / sum(i['liking'] for i in eligible)
            by['right'] *= other / said['p']
            by['choice'] *= other / said['choice']
            by['placed'] *= other / said['p']
            clicked |= self.clicks(event, s.slot, item)
            earlier.append((s.name, item['id']))

        if clicked:
            self.slate.see(by)

    def slate_value(self, allowed, kinds, earlier, other, square, none):
        """Its mean, and that of its estimate's square."""
        if len(earlier) == len(self.slated):
            return other * (1 - none), square * (1 - none)

        s = self.slated[len(earlier)]
        size, panel, eligible = s.chances(allowed, earlier, kinds.get(s.slot))
        liking = sum(i['liking'] for i in eligible)
        sums = [0.0, 0.0]

        for i in eligible:
            share = i['liking'] / liking
            found = self.slate_value(
                allowed, kinds, earlier + [(s.name, i['id'])], other * share,
                square * share ** 2 * s.square(i, size, panel, eligible),
                none * (1 - i['clicks']))
            sums = [sums[0] + found[0], sums[1] + found[1]]

        return sums


def claim(true, text):
    print('ok' if true else 'not ok', '-', text)


def judge(shop):
    """Compares all, at a family-wise error of FAMILY_ERROR."""
    n = sum(len(s.weights) + 1 for s in shop.slots) + 1

    for s in shop.slots:
        where = f'slot {s.slot}, {s.method}'
        seen = [c for c in s.weights.values() if c.expected]
        worst = max(c.excess('right', n) for c in seen)
        claim(worst < 1, f'{where}: 1/p of {len(seen)} items adds up to where '
              f'they were eligible ({worst:.2f} of what chance explains)')

        worst = s.value.excess('right', n)
        claim(worst < 1, f'{where}: another policy\'s clicks are estimated '
              f'({worst:.2f})')

    worst = shop.slate.excess('right', n)
    claim(worst < 1, f'another policy\'s slates are estimated ({worst:.2f})')

    if shop.records < 20000:
        return

    for s in shop.slots:
        where = f'slot {s.slot}, {s.method}'
        if s.panel < min(len(s.category(i)) for i in s.pool):
            claim(s.value.excess('choice', n) > 1,
                  f'{where}: choice alone would miss it')
        else:
            claim(abs(s.value.sums['choice'] - s.value.sums['right']) < 1e-6,
                  f'{where}: the pool fits the panel, p is choice')

    claim(shop.slate.excess('choice', n) > 1,
          'choice alone would miss the slates')
    claim(max(c.excess('placed', n) for s in shop.slots
              for c in s.weights.values() if c.expected) > 1,
          'an N that forgets what was placed would be noticed')


def main():
    replay = load(sys.argv[1])
    with open(sys.argv[2]) as f:
        shop = Shop(replay, json.load(f))

    for line in sys.stdin:
        shop.add(json.loads(line))

    claim(True, f'{shop.records} records')
    judge(shop)


main()
