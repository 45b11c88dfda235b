const attempts = [];
async function retry(action, most) {
  for (let attempt = 1; ; attempt++) {
    try {
      return await action(attempt);
    } catch (error) {
      attempts.push(error.message);
      if (attempt === most) throw error;
    }
  }
}
output = retry(async (attempt) => { if (attempt < 3) throw new Error(`no ${attempt}`); return { attempt, attempts }; }, 5);
