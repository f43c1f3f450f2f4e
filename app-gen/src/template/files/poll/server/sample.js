const OTHERS = ['Yes', 'No', 'Not sure yet']

/** A poll to begin with, without votes: the words of the description are its options. */
export function sample(words) {
  const [question, options] =
    words.length > 1
      ? ['Which of these do you choose?', words]
      : [words.length === 1 ? `What do you say to: ${words[0]}?` : 'Is this what you had in mind?', OTHERS]
  return [{ question, options: options.slice(0, 8), votes: [], closed: false }]
}
