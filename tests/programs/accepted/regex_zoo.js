const [, year, month] = /(?<year>\d{4})-(?<month>\d{2})/.exec('on 2024-05-06') ?? [];
output = { year, month, split: 'a1b22c'.split(/\d+/), vowels: 'education'.match(/[aeiou]/g).length, emoji: /\p{Emoji}/v.test('🙂') };
