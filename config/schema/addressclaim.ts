/**
 * AddressClaim (`arpeggio.dev/v1alpha1`): an address is taken by creating the object named after
 * it, which the API server lets happen once; so two controllers cannot give it twice. With holders
 * it is in use, without any it is a reservation, which people may make too.
 *
 * The name: an IPv4 address as it is; an IPv6 address as eight groups of four digits with hyphens,
 * because a name has no colons and each address must have one name only.
 */
import * as z from './checker.ts';
import { guard, rule, text } from './field.ts';

const objectName = text.meta(guard({ maxLength: 253 }));

export const addressClaimSpec = z
  .object({
    address: text
      .meta(
        guard(
          { maxLength: 45 },
          rule('isIP(self)', 'must be an IPv4 or IPv6 address'),
          rule('self == oldSelf', 'the address of a claim cannot be changed'),
        ),
      )
      .describe('The address, IPv4 or IPv6.'),
    holders: z
      .array(
        z.object({
          namespace: objectName.describe('Namespace of the Service.'),
          name: objectName.describe('Name of the Service.'),
          uid: text.meta(guard({ maxLength: 128 })).describe('UID of the Service.'),
        }),
      )
      .default([])
      .describe('Services that have the address; more than one share it. Empty: reserved.'),
    reservedFor: z
      .object({
        namespace: objectName.describe('Namespace of the Service.'),
        name: objectName.describe('Name of the Service.'),
      })
      .optional()
      .describe('Only this Service may get the address when nobody holds it.'),
  })
  .describe('Who has an address.');

const NAME = 'self.metadata.name';
const COLONS = `${NAME}.replace('-', ':')`;

/** On the whole object, because it is about the name. */
export const CLAIM_RULES = guard(
  {},
  rule(
    '!isIP(self.spec.address) || (ip(self.spec.address).family() == 4 ? ' +
      `${NAME} == self.spec.address : ` +
      `${NAME}.matches('^[0-9a-f]{4}(-[0-9a-f]{4}){7}$') && isIP(${COLONS}) && ` +
      `ip(${COLONS}) == ip(self.spec.address))`,
    'metadata.name must be the address: 192.0.2.1, or 2001-0db8-0000-0000-0000-0000-0000-0001',
  ),
);
