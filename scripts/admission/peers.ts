/**
 * BGPPeers and the BFDProfiles they use. Two peers are one session when address or interface, VRF
 * and node selectors are equal; selectors that differ and choose the same node are beyond CEL.
 */
import { CHANGE, NAME, PEER, field, listed } from './policy.ts';
import type { Policy } from './policy.ts';

export const PEERS: Policy = {
  name: 'arpeggio-peers',
  resources: ['bgppeers'],
  operations: CHANGE,
  ...listed([], ['nodeSelectors']),
};

const identity = (of: string): string =>
  `${of}.?spec.?peerAddress.orValue('') + ${of}.?spec.?interface.orValue('') + ' ' + ` +
  `${of}.?spec.?vrf.orValue('')`;

export const PEER_TWINS: Policy = {
  name: 'arpeggio-peer-twins',
  resources: ['bgppeers'],
  operations: CHANGE,
  param: PEER,
  ignores: true,
  variables: [
    ['mine', identity('object')],
    ['theirs', identity('params')],
  ],
  validations: [
    {
      expression: `params.metadata.name == ${NAME} || variables.mine != variables.theirs ||
${field('nodeSelectors')} != ${field('nodeSelectors', 'params')}`,
      messageExpression:
        "'spec.peerAddress: peer ' + variables.mine + 'already exists: BGPPeer \"' + " +
        "params.metadata.name + '\" is the same session'",
    },
  ],
};

export const PEER_WARNINGS: Policy = {
  name: 'arpeggio-peer-warnings',
  resources: ['bgppeers'],
  operations: CHANGE,
  warns: true,
  ignores: true,
  variables: [],
  validations: [
    {
      expression: '!object.?spec.?disableMP.orValue(false)',
      messageExpression:
        "'spec.disableMP: disableMP is deprecated in favor of dualStackAddressFamily'",
    },
  ],
};

export const BFD_PROFILES: Policy = {
  name: 'arpeggio-bfd-profiles',
  resources: ['bfdprofiles'],
  operations: ['DELETE'],
  param: PEER,
  ignores: true,
  variables: [],
  validations: [
    {
      expression: "params.?spec.?bfdProfile.orValue('') != oldObject.metadata.name",
      messageExpression:
        "'failed to delete BFDProfile ' + oldObject.metadata.name + ', used by BGPPeer ' + " +
        "params.metadata.name + ' in spec.bfdProfile'",
    },
  ],
};
