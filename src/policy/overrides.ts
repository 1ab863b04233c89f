/** The settings for one request: those of [policy], changed by the first override that matches. */
import { AddressSet, type ClientAddress } from "../mail/ip.ts";
import { DomainList, domainOf, MailboxList } from "../mail/names.ts";
import type { PolicyRequest } from "./protocol.ts";
import type {
  Dispositions,
  HeaderType,
  IdentityChange,
  IdentitySettings,
  Override,
  OverrideMatch,
  PolicyMode,
  PolicySettings,
} from "./settings.ts";

/** The settings for one request. */
export interface Profile {
  readonly mode: PolicyMode;
  readonly headers: readonly HeaderType[];
  readonly rejectMessage: string;
  readonly deferMessage: string;
  readonly enhancedStatusCodes: boolean;
  readonly helo: IdentitySettings;
  readonly mailFrom: IdentitySettings;
}

type Condition = (request: PolicyRequest, client: ClientAddress) => boolean;

/** Prepares `settings` and returns a function that gives the profile for a request from `client`. */
export function createProfiles(settings: PolicySettings): (request: PolicyRequest, client: ClientAddress) => Profile {
  const rows = settings.overrides.map((override) => ({
    matches: createCondition(override.match),
    profile: changed(settings, override),
  }));
  return (request, client) => rows.find((row) => row.matches(request, client))?.profile ?? settings;
}

/** Makes a condition: each list that is not empty must hold the request. */
function createCondition(match: OverrideMatch): Condition {
  const conditions: Condition[] = [];
  const add = (list: readonly unknown[], condition: Condition) => {
    if (list.length > 0) conditions.push(condition);
  };
  const recipients = new MailboxList(match.recipients);
  add(match.recipients, (request) => recipients.has(request.recipient));
  const senders = new MailboxList(match.senders);
  add(match.senders, (request) => senders.has(request.sender));
  const senderDomains = new DomainList(match.senderDomains);
  add(match.senderDomains, (request) => senderDomains.has(domainOf(request.sender)));
  const heloNames = new DomainList(match.heloNames);
  add(match.heloNames, (request) => heloNames.has(request.helo_name));
  const clients = new AddressSet(match.clientAddresses);
  add(match.clientAddresses, (_request, client) => clients.has(client));
  return (request, client) => conditions.every((holds) => holds(request, client));
}

function changed(base: PolicySettings, { change }: Override): Profile {
  return {
    mode: change.mode ?? base.mode,
    headers: change.headers ?? base.headers,
    rejectMessage: change.rejectMessage ?? base.rejectMessage,
    deferMessage: change.deferMessage ?? base.deferMessage,
    enhancedStatusCodes: base.enhancedStatusCodes,
    helo: changedIdentity(base.helo, change.helo),
    mailFrom: changedIdentity(base.mailFrom, change.mailFrom),
  };
}

function changedIdentity(base: IdentitySettings, change: IdentityChange | undefined): IdentitySettings {
  if (change === undefined) return base;
  return {
    check: change.check ?? base.check,
    dispositions: changedDispositions(base.dispositions, change.dispositions ?? {}),
  };
}

function changedDispositions(base: Dispositions, change: NonNullable<IdentityChange["dispositions"]>): Dispositions {
  return {
    none: change.none ?? base.none,
    neutral: change.neutral ?? base.neutral,
    pass: change.pass ?? base.pass,
    fail: change.fail ?? base.fail,
    softfail: change.softfail ?? base.softfail,
    temperror: change.temperror ?? base.temperror,
    permerror: change.permerror ?? base.permerror,
  };
}
