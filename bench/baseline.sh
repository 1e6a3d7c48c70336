#!/usr/bin/env bash
# The same bytes through the same API with split and curl: upload, create, wait, download. No retries, no order, no checks.
# Usage: baseline.sh INPUT BASE_URL LINES_PER_BATCH FOLDER
set -euo pipefail
input=$1 url=$2 lines=$3 folder=$4
auth='Authorization: Bearer bench'
field() { grep -o "\"$1\":\"[^\"]*\"" | head -1 | cut -d'"' -f4; }
cd "$folder"
split -l "$lines" "$input" shard- --additional-suffix=.jsonl
batches=()
for shard in shard-*.jsonl; do
  file=$(curl -sS -H "$auth" -F purpose=batch -F "file=@$shard" "$url/files" | field id)
  batches+=("$(curl -sS -H "$auth" -H 'content-type: application/json' \
    -d "{\"input_file_id\":\"$file\",\"endpoint\":\"/v1/chat/completions\",\"completion_window\":\"24h\"}" "$url/batches" | field id)")
done
for batch in "${batches[@]}"; do
  until object=$(curl -sS -H "$auth" "$url/batches/$batch") && grep -q '"status":"completed"' <<<"$object"; do sleep 0.1; done
  curl -sS -H "$auth" "$url/files/$(field output_file_id <<<"$object")/content" >>results.jsonl
done
[ "$(wc -l <results.jsonl)" -eq "$(wc -l <"$input")" ]
