/**
 * Link-layer addresses: six bytes, printed as `02:64:00:00:00:01`.
 */

/** Canonical text: lower case, colons. Text, not bytes, because it is compared and logged. */
export type Mac = string;
