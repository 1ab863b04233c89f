#!/bin/sh
# Puts the recipe of docs/postfix.md, "Rewriting only what is forwarded", into a Postfix, and takes it out again.
#
#   forward-only.sh [-n] on SRS_DOMAIN [FORMER_SRS_DOMAIN ...]   the domain that senders get, and each that signed mail
#                                                                in the last 22 days: their bounces still come
#   forward-only.sh [-n] bounces-only SRS_DOMAIN ...             nothing is rewritten any more, bounces still come back
#   forward-only.sh [-n] off                                     the files as they were
#
# Maps that are there stay. Run twice, it does nothing the second time. -n only shows what would change. MAIL_CONFIG
# names another directory than /etc/postfix. No process is told: that takes "postfix reload".
set -eu

FILES="main.cf master.cf srs-recipients.regexp"
# The last of our lines in each file. What somebody adds behind it can be told from them.
END="# The lines of forward-only.sh end here."

fail() {
  echo "forward-only.sh: $*" >&2
  exit 1
}

say() {
  echo "forward-only.sh: $*" >>"$work/said"
}

# The entries of a list, one a line. Blanks and commas inside braces do not end an entry.
entries() {
  printf '%s\n' "$1" | awk '{
    for (i = 1; i <= length($0); i++) {
      c = substr($0, i, 1)
      if (c == "{") depth++
      if (c == "}") depth--
      if (depth == 0 && c ~ /[ \t,]/) { if (entry != "") print entry; entry = "" } else entry = entry c
    }
    if (entry != "") print entry
  }'
}

# A list of the entries on standard input.
joined() {
  awk 'NR > 1 { printf ", " } { printf "%s", $0 }'
}

# A text with a line feed at its end, where postconf and we add lines.
ending_its_line() {
  awk 1
}

# What a parameter has in the files that are being made, as it is written there, and with $name replaced.
written() {
  postconf -c "$made" -h "$1" 2>/dev/null
}
expanded() {
  postconf -c "$made" -o "config_directory=$etc" -xh "$1" 2>/dev/null
}
# Edits them with options of postconf.
edit() {
  postconf -c "$made" "$@"
  touch_all
}
assign() {
  edit -e "$1 = $2"
}
# Makes them look old: Postfix waits two seconds before it believes a file of the last second.
touch_all() {
  touch -t 200001010000 "$made/main.cf" "$made/master.cf"
}

# Whether a list of main.cf has a domain: by name, in a file, or in a table.
lists() {
  entries "$(expanded "$1")" | while read -r entry; do
    case $entry in
      *:*) [ -z "$(postmap -q "$2" "$entry" 2>/dev/null || :)" ] || echo yes ;;
      /*) grep -qixF "$2" "$entry" 2>/dev/null && echo yes || : ;;
      *) [ "$(printf %s "$entry" | tr A-Z a-z)" != "$2" ] || echo yes ;;
    esac
  done | grep -q yes
}

# The files without the recipe, with what has been edited since it was put in.
take_out() {
  for file in $FILES; do
    [ -e "$etc/$file" ] && cat "$etc/$file" >"$now/$file" || : >"$now/$file"
    if [ ! -d "$kept" ] || ! grep -qxF "$END" "$now/$file"; then
      cp "$now/$file" "$before/$file"
    elif cmp -s "$now/$file" "$kept/with/$file"; then
      cp "$kept/before/$file" "$before/$file"
    else
      { ending_its_line <"$kept/before/$file" && echo "$END"; } >"$work/wanted"
      diff3 -E -m "$now/$file" "$kept/with/$file" "$work/wanted" >"$work/merged" ||
        fail "Cannot take the recipe out of $etc/$file: its own lines were edited. Without it the file was $kept/before/$file"
      grep -vxF "$END" "$work/merged" >"$before/$file" || :
    fi
  done
}

# The entries of a list that rewrite senders for SRS: by the names of the classic set-up, or by what they answer.
srs_entries() {
  entries "$1" | while read -r entry; do
    case ${entry#proxy:} in
      tcp:*:10001 | socketmap:*:forward) echo "$entry" ;;
      tcp:* | socketmap:*)
        postmap -q someone@example.com "${entry#proxy:}" 2>/dev/null | grep -iE '^"?srs0[-+=]' >/dev/null && echo "$entry" || :
        ;;
    esac
  done
}

# The classic set-up rewrites all mail, local mail too, and then no forward goes through the second pass.
remove_classic_senders() {
  maps=$(written sender_canonical_maps)
  # A $name of yours stays one, unless there is an SRS map behind it. A "$" that is left was written "$$".
  all=$(expanded sender_canonical_maps | sed 's/\$/$$/g')
  [ "$(srs_entries "$maps")" = "$(srs_entries "$all")" ] || maps=$all
  entries "$maps" | grep -E '^[a-z]+map:\{.*(tcp|socketmap):' | while read -r entry; do
    say "sender_canonical_maps: $entry stays. If there is an SRS map in it, take it out: it rewrites local mail too"
  done
  classic=$(srs_entries "$maps")
  [ -n "$classic" ] || return 0
  say "sender_canonical_maps: takes out $(printf '%s\n' "$classic" | joined), which rewrites local mail too"
  others=$(entries "$maps" | grep -vxF "$classic" | joined)
  if [ -n "$others" ]; then
    assign sender_canonical_maps "$others"
  else
    edit -X sender_canonical_maps
    [ "$(written sender_canonical_classes)" != envelope_sender ] || edit -X sender_canonical_classes
  fi
}

put_in_senders() {
  remove_classic_senders
  others=$(entries "$(written sender_dependent_default_transport_maps)" | grep -v ':forward-transport$' || :)
  [ -z "$others" ] || say "sender_dependent_default_transport_maps: ours in front of $(printf '%s\n' "$others" | joined)"
  assign sender_dependent_default_transport_maps "$(printf '%s\n' "$socketmap:forward-transport" "$others" | grep . | joined)"
  grep '^srs_' "$here/forward-only.main.cf" | while read -r line; do edit -e "$line"; done

  # However the port is written: on Linux two services of Postfix may listen on one address and port.
  for service in srs/unix srs-cleanup/unix 12526/inet localhost:12526/inet 127.0.0.1:12526/inet \
    '[127.0.0.1]:12526/inet' '[::1]:12526/inet'; do
    [ -z "$(postconf -c "$made" -M "$service" 2>/dev/null)" ] || {
      say "master.cf: replaces $service"
      edit -MX "$service"
    }
  done
  for_this_protocol <"$here/forward-only.master.cf" >>"$made/master.cf"
  touch_all
  postconf -c "$made" -P '*/*/sender_canonical_maps' | grep -v '^srs-cleanup/' | while read -r line; do
    say "master.cf: $line stays. If it is an SRS map, take it out: it rewrites local mail too"
  done
  entries "$(expanded transport_maps)" | while read -r entry; do
    # A table of patterns has no "*": it is asked for an address.
    [ -z "$(postmap -q '*' "$entry" 2>/dev/null || postmap -q someone@example.com "$entry" 2>/dev/null || :)" ] ||
      say "transport_maps: $entry has \"*\" or the like, which goes past the recipe: no forward is rewritten. Set relayhost instead"
  done
}

# Where only IPv6 is spoken, Postfix knows no 127.0.0.1.
for_this_protocol() {
  if [ "$loopback" = 127.0.0.1 ]; then
    cat
  else
    sed -e 's/smtp_bind_address=127\.0\.0\.1/smtp_bind_address6=::1/' -e 's/127\.0\.0\.0\/8/[::1]\/128/' \
      -e 's/127\.0\.0\.1/[::1]/'
  fi
}

# The way back for bounces to each of the domains.
put_in_recipients() {
  pattern=$(printf '%s\n' "$@" | sed 's/\./\\./g' | awk 'NR > 1 { printf "|" } { printf "%s", $0 }')
  [ $# -eq 1 ] || pattern="($pattern)"
  sed "s/srs\\\\.example\\\\.org/$(printf %s "$pattern" | sed 's/[\\&|]/\\&/g' | tr -d '\n')/" "$here/srs-recipients.regexp" \
    >"$made/srs-recipients.regexp"

  maps=$(written recipient_canonical_maps)
  reverse='tcp:.*:10002|socketmap:.*:reverse|pipemap:.*srs-recipients\.regexp.*'
  others=$(entries "$maps" | grep -vxE "$reverse" || :)
  ours="pipemap:{regexp:$etc/srs-recipients.regexp, $socketmap:reverse}"
  if [ "$mode" = on ] || [ "$others" = "$(entries "$maps")" ]; then
    entries "$maps" | grep -xE "$reverse" | grep -vxF "$ours" | while read -r entry; do
      say "recipient_canonical_maps: takes out $entry, in whose place ours comes"
    done
    [ -z "$others" ] || say "recipient_canonical_maps: ours behind $(printf '%s\n' "$others" | joined)"
    assign recipient_canonical_maps "$(printf '%s\n' "$others" "$ours" | grep . | joined)"
  fi
  classes=$(written recipient_canonical_classes)
  case $classes in
    *envelope_recipient*) ;;
    *)
      say "recipient_canonical_classes: adds envelope_recipient, so your own maps begin to rewrite envelopes"
      assign recipient_canonical_classes "$classes, envelope_recipient"
      ;;
  esac
  for domain in "$@"; do
    for list in mydestination virtual_alias_domains virtual_mailbox_domains relay_domains; do
      ! lists "$list" "$domain" || continue 2
    done
    say "virtual_alias_domains: adds $domain"
    assign virtual_alias_domains "$(printf '%s\n' "$(written virtual_alias_domains)" "$domain" | grep . | joined)"
  done
}

# Shows what changes, and writes it where it may.
finish() {
  changed=
  for file in $FILES; do
    cmp -s "$now/$file" "$made/$file" && continue
    changed=yes
    diff -u -L "$etc/$file" "$now/$file" -L "$etc/$file" "$made/$file" || :
  done
  [ -n "$changed" ] || { echo "forward-only.sh: nothing to change"; return; }
  cat "$work/said"
  [ -z "$dry" ] || return 0
  rm -rf "$kept.new"
  mkdir "$kept.new" && cp -R "$before" "$kept.new/before" && cp -R "$made" "$kept.new/with"
  rm -rf "$kept" && mv "$kept.new" "$kept"
  for file in $FILES; do
    cat "$made/$file" >"$etc/$file"
  done
  [ -s "$made/srs-recipients.regexp" ] || rm "$etc/srs-recipients.regexp"
  [ "$mode" != off ] || rm -rf "$kept"
  echo "forward-only.sh: done. Now: postvouch check-config && systemctl reload postvouch && postfix reload"
}

dry=
if [ "${1:-}" = -n ]; then dry=yes && shift; fi
mode=${1:-}
[ $# -eq 0 ] || shift
case $mode:$# in
  off:0) ;;
  on:0 | bounces-only:0 | off:* | :*) fail "usage: forward-only.sh [-n] on|bounces-only SRS_DOMAIN ... | off" ;;
  on:* | bounces-only:*) ;;
  *) fail "Cannot do \"$mode\": want on, bounces-only or off" ;;
esac
for domain; do
  printf %s "$domain" | grep -qxE '([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z0-9-]*[a-z0-9]' ||
    fail "Cannot use \"$domain\": want a domain in lower case, such as srs.example.org"
done

here=$(dirname "$0")
etc=$(postconf -h config_directory)
kept=$etc/forward-only.kept
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
now=$work/now before=$work/before made=$work/made
mkdir "$now" "$before"
: >"$work/said"
loopback=127.0.0.1
[ "$(postconf -xh inet_protocols)" != ipv6 ] || loopback='[::1]'
socketmap=socketmap:inet:$loopback:10003

[ "$mode" != off ] || [ -d "$kept" ] || fail "Cannot find $kept: the recipe was not put in by this program"
take_out
cp -R "$before" "$made"
if [ "$mode" != off ]; then
  for file in $FILES; do ending_its_line <"$before/$file" | grep -vxF "$END" >"$made/$file" || :; done
  touch_all
  [ "$mode" != on ] || put_in_senders
  put_in_recipients "$@"
  for file in $FILES; do echo "$END" >>"$made/$file"; done
  touch_all
fi
postconf -c "$made" -n >/dev/null 2>"$work/complaints" || fail "Cannot use the result: $(cat "$work/complaints")"
finish
