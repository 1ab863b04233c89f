/** What the planning has to know of a Postfix, as its files were without us. */
import type { Filter } from "./milter-place.ts";

/** A service of master.cf. */
export interface Service {
  /** `name/type`, as postconf -M takes it. */
  readonly id: string;
  /** Port of an inet service, by number or by name. */
  readonly port: string | undefined;
  readonly program: string;
  readonly isChrooted: boolean;
  /** Its `-o name=value`, as master.cf has it. */
  readonly overrides: ReadonlyMap<string, string>;
  /** The same with each `$name` replaced. */
  readonly expanded: ReadonlyMap<string, string>;
  /** The command of a pipe(8) or spawn(8) service, with its arguments. */
  readonly command: string;
}

/** The parameters of main.cf that the planning reads. */
export const READ_PARAMETERS = [
  "body_checks",
  "content_filter",
  "header_checks",
  "inet_protocols",
  "internal_mail_filter_classes",
  "mail_version",
  "milter_content_timeout",
  "milter_data_macros",
  "milter_default_action",
  "milter_end_of_data_macros",
  "milter_end_of_header_macros",
  "milter_header_checks",
  "milter_macro_daemon_name",
  "milter_macro_defaults",
  "milter_mail_macros",
  "milter_protocol",
  "milter_rcpt_macros",
  "mydestination",
  "non_smtpd_milters",
  "queue_directory",
  "receive_override_options",
  "recipient_canonical_classes",
  "recipient_canonical_maps",
  "relay_domains",
  "sender_canonical_classes",
  "sender_canonical_maps",
  "sender_dependent_default_transport_maps",
  "smtpd_client_restrictions",
  "smtpd_data_restrictions",
  "smtpd_end_of_data_restrictions",
  "smtpd_etrn_restrictions",
  "smtpd_helo_restrictions",
  "smtpd_milter_maps",
  "smtpd_milters",
  "smtpd_proxy_filter",
  "smtpd_recipient_restrictions",
  "smtpd_relay_restrictions",
  "smtpd_sender_restrictions",
  "transport_maps",
  "virtual_alias_domains",
  "virtual_mailbox_domains",
] as const;

export type ReadParameter = (typeof READ_PARAMETERS)[number];

export interface PostfixFacts {
  /** The directory of main.cf. */
  readonly configDir: string;
  /** Values as main.cf has them, or their defaults. */
  readonly written: ReadonlyMap<ReadParameter, string>;
  /** The same with each `$name` replaced. */
  readonly expanded: ReadonlyMap<ReadParameter, string>;
  /** All that main.cf sets, as it has it. */
  readonly settings: ReadonlyMap<string, string>;
  /** The types of maps that this Postfix has. */
  readonly mapTypes: ReadonlySet<string>;
  readonly services: readonly Service[];
  /** The destinations of content filters: of content_filter, and of FILTER actions. */
  readonly contentFilters: readonly string[];
  /** The milters in main.cf and master.cf whose work ours does, by their addresses. */
  readonly filters: ReadonlyMap<string, Filter>;
  /** Maps that answered a foreign sender with an SRS address, and its domain. */
  readonly srsMaps: ReadonlyMap<string, string>;
  /** The domains of ours that a domain class of Postfix has. */
  readonly routed: ReadonlySet<string>;
  /** Entries of transport_maps that answer for every destination. */
  readonly catchAlls: readonly string[];
  /** Other entries of transport_maps, with their keys for domains that Postfix does not receive. */
  readonly foreignRoutes: ReadonlyMap<string, readonly string[]>;
}
