/**
 * IPAddressPools: no range ends before it starts, no two entries overlap, in a pool or between
 * pools. A pool that is neither in order nor apart from others costs most: 128 entries compared
 * with 128 take the API server tenths of a second.
 */
import { bind, filled, hull, intervals, overlap } from './address.ts';
import { CHANGE, INDEX, NAME, POOL, field, listed, none, only, upTo } from './policy.ts';
import type { Policy } from './policy.ts';

const entry = (i: string): string => `'spec.addresses[' + string(${i}) + ']`;
const MINE = [
  ['index', INDEX],
  ['addresses', field('addresses')],
  ['mine', intervals('variables.addresses')],
  ['indices', upTo('variables.addresses')],
] as const;

const poolLists = listed(only('namespaces'), [
  'serviceAllocation.namespaceSelectors',
  'serviceAllocation.serviceSelectors',
]);

export const POOLS: Policy = {
  name: 'arpeggio-pools',
  resources: ['ipaddresspools'],
  operations: CHANGE,
  variables: [
    ...MINE,
    [
      'reversed',
      `variables.indices.filter(i,
  variables.mine[i][1] != '' && variables.mine[i][0] > variables.mine[i][1]).map(i,
  ${entry('i')}: invalid IP range "' + variables.addresses[i] + '": the start is after the end')`,
    ],
    // Most pools are in order, and then only neighbours can overlap.
    ['isSorted', 'variables.mine.map(m, m[0]).isSorted()'],
    [
      'overlapping',
      `variables.isSorted
? variables.indices.filter(j, j > 0 && variables.mine[j][0] <= variables.mine[j - 1][1])
: ${bind(
        'all',
        filled('variables.mine'),
        `variables.indices.filter(j, ${bind(
          'm',
          'all[j]',
          `m[1] != '' && !all.exists_one(t, ${overlap('t', 'm')})`,
        )})`,
      )}`,
    ],
    [
      'overlaps',
      `variables.overlapping.size() == 0 ? [] : ${bind(
        'j',
        'variables.overlapping[variables.overlapping.size() - 1]',
        bind(
          'i',
          `variables.indices.filter(i, ${overlap('variables.mine[i]', 'variables.mine[j]')})[0]`,
          `[${entry('j')}: CIDR "' + variables.addresses[j] + '" in pool "' + ${NAME} +
  '" overlaps with already defined CIDR "' + variables.addresses[i] + '" in ' + ${entry('i')}']`,
        ),
      )}`,
    ],
    ...poolLists.variables,
  ],
  validations: [none('reversed'), none('overlaps'), ...poolLists.validations],
};

export const POOL_OVERLAPS: Policy = {
  name: 'arpeggio-pool-overlaps',
  resources: ['ipaddresspools'],
  operations: CHANGE,
  param: POOL,
  ignores: true,
  variables: [
    ...MINE,
    ['others', `params.metadata.name == ${NAME} ? [] : ${field('addresses', 'params')}`],
    ['theirs', filled(intervals('variables.others'))],
    // Comparing all with all takes time, and most pools are nowhere near each other.
    ['hull4', hull('variables.theirs', 4)],
    ['hull6', hull('variables.theirs', 6)],
    [
      'near',
      `variables.mine.filter(m, (${overlap('m', 'variables.hull4')}) ||
  (${overlap('m', 'variables.hull6')}))`,
    ],
    ['overlapping', `variables.near.filter(m, variables.theirs.exists(t, ${overlap('t', 'm')}))`],
    [
      'overlaps',
      `variables.overlapping.size() == 0 ? [] : ${bind(
        'm',
        'variables.overlapping[0]',
        bind(
          't',
          `variables.theirs.filter(t, ${overlap('t', 'm')})[0]`,
          `[${entry('variables.mine.indexOf(m)')}: CIDR "' +
  variables.addresses[variables.mine.indexOf(m)] + '" in pool "' + ${NAME} +
  '" overlaps with already defined CIDR "' + variables.others[variables.theirs.indexOf(t)] +
  '" of pool "' + params.metadata.name + '"']`,
        ),
      )}`,
    ],
  ],
  validations: [none('overlaps')],
};
