/**
 * L2Advertisements, BGPAdvertisements and the communities they use. A pool that changes is not
 * judged again with the advertisements, as in MetalLB; the controller does that.
 */
import { bind, hasNetwork, intervals } from './address.ts';
import { CHANGE, COMMUNITY, INDEX, NAME, POOL, field, listed, none, only } from './policy.ts';
import type { Policy } from './policy.ts';
import { nameFaults, preferenceFaults, selectorMatches } from './selector.ts';

const advertisementLists = listed(only('pools', 'communities', 'peers'), [
  'ipAddressPoolSelectors',
  'nodeSelectors',
  'serviceSelectors',
]);

export const ADVERTISEMENTS: Policy = {
  name: 'arpeggio-advertisements',
  resources: ['l2advertisements', 'bgpadvertisements'],
  operations: CHANGE,
  variables: [
    ...advertisementLists.variables,
    ['preferred', field('preferredNodeSelectors')],
    ['preferredFaults', preferenceFaults('variables.preferred', 'spec.preferredNodeSelectors')],
  ],
  validations: [...advertisementLists.validations, none('preferredFaults')],
};

const aggregation = (family: 4 | 6): string =>
  family === 4
    ? 'object.?spec.?aggregationLength.orValue(32)'
    : 'object.?spec.?aggregationLengthV6.orValue(128)';

const LENGTH = `(e[0].startsWith('4') ? ${aggregation(4)} : ${aggregation(6)})`;

export const AGGREGATION: Policy = {
  name: 'arpeggio-aggregation',
  resources: ['bgpadvertisements'],
  operations: CHANGE,
  param: POOL,
  ignores: true,
  variables: [
    ['index', INDEX],
    ['labels', 'params.metadata.?labels.orValue({})'],
    ['names', field('ipAddressPools')],
    ['selectors', field('ipAddressPoolSelectors')],
    [
      'selects',
      `(variables.names.size() == 0 && variables.selectors.size() == 0) ||
params.metadata.name in variables.names ||
variables.selectors.exists(s, ${selectorMatches('s', 'variables.labels')})`,
    ],
    ['others', `variables.selects ? ${field('addresses', 'params')} : []`],
    ['theirs', intervals('variables.others')],
    [
      'faults',
      `variables.index.filter(i, i < variables.others.size()).map(i, ${bind(
        'e',
        'variables.theirs[i]',
        bind(
          'l',
          LENGTH,
          `e[0] > e[1] || (${hasNetwork('e', 'l')}) ? '' :
  (e[0].startsWith('4') ? 'spec.aggregationLength' : 'spec.aggregationLengthV6') +
  ': invalid aggregation length ' + string(l) + ': ' +
  (!variables.others[i].contains('/') ? 'every prefix' :
  'prefix ' + string(cidr(variables.others[i]).prefixLength())) +
  ' in this pool is more specific than the aggregation length for addresses ' +
  variables.others[i] + ' of pool "' + params.metadata.name + '"'`,
        ),
      )}).filter(t, t != '')`,
    ],
  ],
  validations: [none('faults')],
};

const aliases = (of: string): string => `${field('communities', of)}.map(c, c.?name.orValue(''))`;

export const COMMUNITIES: Policy = {
  name: 'arpeggio-communities',
  resources: ['communities'],
  operations: CHANGE,
  variables: [
    ['names', aliases('object')],
    [
      'faults',
      nameFaults('variables.names', 'spec.communities', 'duplicate definition of community'),
    ],
  ],
  validations: [none('faults')],
};

export const COMMUNITY_NAMES: Policy = {
  name: 'arpeggio-community-names',
  resources: ['communities'],
  operations: CHANGE,
  param: COMMUNITY,
  ignores: true,
  variables: [
    ['mine', aliases('object')],
    ['theirs', `params.metadata.name == ${NAME} ? [] : ${aliases('params')}`],
    [
      'faults',
      `variables.mine.filter(n, n in variables.theirs).map(n,
  'spec.communities[' + string(variables.mine.indexOf(n)) +
  ']: duplicate definition of community "' + n + '", which Community "' +
  params.metadata.name + '" has too')`,
    ],
  ],
  validations: [none('faults')],
};
