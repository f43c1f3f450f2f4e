/** Whether `texts` hold every word of `query`, whatever its case and its accents. */
export function matches(query, texts) {
  const all = plain(texts.join('\n'))
  return plain(query)
    .split(/\s+/u)
    .every((word) => all.includes(word))
}

function plain(text) {
  return text.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase()
}
