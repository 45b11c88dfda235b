const days = (from, to) => Math.round((Date.parse(to) - Date.parse(from)) / 86_400_000);
output = { days: days('2024-02-01', '2024-03-01'), weekday: new Date(Date.UTC(2024, 1, 29)).getUTCDay() };
